//! What a device says on its stream: messages, presence, requests, and acknowledgements.

use xmpp::ns;

use super::Device;
use crate::record::{Fate, Keeping, MessageNo, Moment, Sent, SessionRecord, User};
use crate::session::Expected;
use crate::world::DOMAIN;

impl Device {
    pub(super) fn send_message(&mut self, to: User, resource: Option<&str>, keeping: Keeping) {
        let Some(session) = &self.session else { return };
        let message: MessageNo = {
            let mut record = self.world.record();
            let at = record.moment();
            record.messages.push(Sent {
                from: self.user,
                session: session.number,
                to,
                resource: resource.map(str::to_owned),
                keeping,
                at,
                fate: Fate::Unknown,
            });
            record.messages.len() - 1
        };
        let hint = match keeping {
            Keeping::Archived => String::new(),
            Keeping::UntilDelivered => format!("<no-permanent-store xmlns='{}'/>", ns::HINTS),
        };
        let to = resource.map_or_else(|| self.world.bare(to), |resource| format!("{}/{resource}", self.world.bare(to)));
        let body = format!("<body>m{message}</body>{hint}");
        self.send(&format!("<message type='chat' id='m{message}' to='{to}'>{body}</message>"), Some(message));
    }

    pub(super) fn presence(&mut self, priority: Option<i8>) {
        self.no_longer(|session| &mut session.available_since, |expected| matches!(expected, Expected::Available));
        match priority {
            None => self.send("<presence type='unavailable'/>", None),
            Some(priority) => self.send(&format!("<presence><priority>{priority}</priority></presence>"), None),
        }
        if priority.is_some_and(|priority| priority >= 0) {
            self.request("get", DOMAIN, &format!("<ping xmlns='{}'/>", ns::PING), Expected::Available);
        }
    }

    pub(super) fn carbons(&mut self, on: bool) {
        self.no_longer(|session| &mut session.carbons_since, |expected| matches!(expected, Expected::Carbons));
        let name = if on { "enable" } else { "disable" };
        let expected = if on { Expected::Carbons } else { Expected::Nothing };
        self.request("set", "", &format!("<{name} xmlns='{}'/>", ns::CARBONS), expected);
    }

    pub(super) fn read_archive(&mut self, max: usize) {
        let Some(session) = &self.session else { return };
        // One page at a time.
        if session.expected.values().any(|expected| matches!(expected, Expected::Page(_))) {
            return;
        }
        let read_to = session.read_to.clone();
        let after = read_to.as_ref().map(|id| format!("<after>{id}</after>")).unwrap_or_default();
        let set = format!("<set xmlns='{}'><max>{max}</max>{after}</set>", ns::RSM);
        self.request("set", "", &format!("<query xmlns='{}'>{set}</query>", ns::MAM), Expected::Page(read_to));
    }

    /// What the server was known to know is about to change.
    pub(super) fn no_longer(
        &mut self,
        since: impl FnOnce(&mut SessionRecord) -> &mut Option<Moment>,
        is_it: impl Fn(&Expected) -> bool,
    ) {
        let Some(session) = &mut self.session else { return };
        session.expected.retain(|_, expected| !is_it(expected));
        *since(&mut self.world.record().sessions[session.number]) = None;
    }

    /// Without stream management, an answered request tells that what came before it was handled.
    pub(super) fn ask_for_handled(&mut self) {
        let Some(session) = &mut self.session else { return };
        if session.counting.is_some() {
            return self.queue(&format!("<r xmlns='{}'/>", ns::SM));
        }
        let messages = std::mem::take(&mut session.unconfirmed);
        if !messages.is_empty() {
            self.request("get", DOMAIN, &format!("<ping xmlns='{}'/>", ns::PING), Expected::Handled(messages));
        }
    }

    pub(super) fn acknowledge(&mut self) {
        let Some(counting) = self.session.as_ref().and_then(|session| session.counting.as_ref()) else { return };
        if counting.id.is_some() {
            let ack = format!("<a xmlns='{}' h='{}'/>", ns::SM, counting.handled);
            self.queue(&ack);
        }
    }

    pub(super) fn request(&mut self, kind: &str, to: &str, payload: &str, expected: Expected) {
        self.requests += 1;
        let id = format!("q{}", self.requests);
        let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
        if let Some(session) = &mut self.session {
            session.expected.insert(id.clone(), expected);
        }
        self.send(&format!("<iq type='{kind}' id='{id}'{to}>{payload}</iq>"), None);
    }

    pub(super) fn send(&mut self, xml: &str, message: Option<MessageNo>) {
        if let Some(session) = &mut self.session {
            session.sent(xml, message);
        }
        self.queue(xml);
    }

    pub(super) fn queue(&mut self, xml: &str) {
        if let Some(link) = &mut self.link {
            link.queue(xml);
        }
    }
}
