//! A client's half of a session: what it counts (XEP-0198), what it waits for, and what it saw.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;
use xmpp::ns;
use xmpp::xml::Element;

use crate::record::{Fate, MessageNo, PageRead, Seen, SessionNo, User, Way};
use crate::world::World;

/// How a client answers `<r/>`. Withheld answers are late, never wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    AtOnce,
    Sometimes,
    Withheld,
}

/// What the answer to a request tells.
#[derive(Debug)]
pub enum Expected {
    /// The server knows that this session wants carbons.
    Carbons,
    /// The server knows that this session takes what is for the bare JID.
    Available,
    /// Without stream management: these were handled.
    Handled(Vec<MessageNo>),
    /// A page of the archive after this id is complete.
    Page(Option<String>),
    /// All that was queued before has come.
    Settled(oneshot::Sender<SessionNo>),
    Nothing,
}

/// Stream management, from `<enable/>` on.
#[derive(Debug, Default)]
pub struct Counting {
    /// The name to resume by, once the server has given it.
    pub id: Option<String>,
    pub handled: u32,
    acked: u32,
    /// Sent and not acknowledged, with the message each is.
    unacked: VecDeque<(String, Option<MessageNo>)>,
}

#[derive(Debug)]
pub struct Session {
    pub number: SessionNo,
    pub user: User,
    pub counting: Option<Counting>,
    pub acks: Acks,
    pub expected: BTreeMap<String, Expected>,
    /// Without stream management: sent since the last request.
    pub unconfirmed: Vec<MessageNo>,
    /// Where the archive was read up to.
    pub read_to: Option<String>,
    page: Vec<(String, Option<MessageNo>)>,
}

impl Session {
    pub fn new(number: SessionNo, user: User, acks: Acks, read_to: Option<String>) -> Self {
        let (expected, unconfirmed, page) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { number, user, counting: None, acks, expected, unconfirmed, read_to, page }
    }

    /// Whether it outlives its connection.
    pub fn is_resumable(&self) -> bool {
        self.counting.as_ref().is_some_and(|counting| counting.id.is_some())
    }

    /// Notes a stanza that goes out.
    pub fn sent(&mut self, xml: &str, message: Option<MessageNo>) {
        match &mut self.counting {
            Some(counting) => counting.unacked.push_back((xml.to_owned(), message)),
            None => self.unconfirmed.extend(message),
        }
    }

    /// The server has handled `h` of our stanzas.
    pub fn acknowledged(&mut self, world: &World, h: u32) {
        let Some(counting) = &mut self.counting else { return };
        let newly = h.wrapping_sub(counting.acked) as usize;
        if newly > counting.unacked.len() {
            return world.problem(format!(
                "s{}: h={h} of {} + {}",
                self.number,
                counting.acked,
                counting.unacked.len()
            ));
        }
        counting.acked = h;
        for (_, message) in counting.unacked.drain(..newly) {
            message.into_iter().for_each(|message| handled(world, message));
        }
    }

    /// What was never acknowledged, to be sent again after a resumption.
    pub fn send_again(&self, world: &World) -> String {
        let unacked = self.counting.iter().flat_map(|counting| &counting.unacked);
        let mut xml = String::new();
        for (stanza, message) in unacked {
            xml.push_str(stanza);
            message.iter().for_each(|message| world.record().messages[*message].fate = Fate::Unknown);
        }
        xml
    }

    /// A stanza came; the answer, when it deserves one.
    pub fn stanza(&mut self, world: &World, element: &Element) -> Option<String> {
        if let Some(counting) = self.counting.as_mut().filter(|counting| counting.id.is_some()) {
            counting.handled = counting.handled.wrapping_add(1);
        }
        let id = element.attr("id").unwrap_or_default().into_owned();
        match (element.name(), element.attr("type").as_deref()) {
            ("message", Some("error")) => self.refused(world, &id, element),
            ("message", _) => self.message(world, element),
            ("iq", Some("result" | "error")) => self.answered(world, &id, element),
            ("iq", _) => return Some(format!("<iq type='result' id='{id}'/>")),
            _ => {}
        }
        None
    }

    fn refused(&self, world: &World, id: &str, element: &Element) {
        let condition = element.child("error", ns::CLIENT).and_then(|error| error.to_element().ok());
        let condition =
            condition.and_then(|error| Some(error.children().next()?.name().to_owned())).unwrap_or_default();
        world.log(format!("s{} {id} refused: {condition}", self.number));
        // With stream management what counts is `h`: what could not be stored is sent again after the resumption, and
        // the error may come only then.
        if self.counting.is_some() && condition == "resource-constraint" {
            return;
        }
        if let Some(message) = id.strip_prefix('m').and_then(|number| number.parse::<MessageNo>().ok()) {
            world.record().messages[message].fate = Fate::Refused;
        }
    }

    fn message(&mut self, world: &World, element: &Element) {
        if let Some(result) = inside(element, "result", ns::MAM) {
            let message = forwarded(&result);
            let number = message.as_ref().and_then(number_of);
            let id = result.attr("id").unwrap_or_default().into_owned();
            if let Some(number) = number {
                world.record().saw_id(self.user, number, &id);
            }
            self.page.push((id, number));
        } else if let Some(sent) = inside(element, "sent", ns::CARBONS) {
            forwarded(&sent).iter().for_each(|message| self.saw(world, message, Way::CarbonSent));
        } else if let Some(received) = inside(element, "received", ns::CARBONS) {
            forwarded(&received).iter().for_each(|message| self.saw(world, message, Way::CarbonReceived));
        } else {
            self.saw(world, element, Way::Direct);
        }
    }

    fn saw(&self, world: &World, message: &Element, way: Way) {
        let Some(number) = number_of(message) else { return };
        world.log(format!("s{} got m{number} {way:?}", self.number));
        let own = world.bare(self.user);
        let id = message.children().find(|child| {
            child.is("stanza-id", ns::STANZA_ID) && child.attr("by").is_some_and(|by| by == own.as_str())
        });
        let mut record = world.record();
        if let Some(id) = id.and_then(|id| id.attr("id")) {
            record.saw_id(self.user, number, &id);
        }
        record.sessions[self.number].seen.push(Seen { message: number, way });
    }

    fn answered(&mut self, world: &World, id: &str, element: &Element) {
        let Some(expected) = self.expected.remove(id) else { return };
        let failed = element.attr("type").as_deref() == Some("error");
        let moment = world.record().moment();
        match expected {
            Expected::Page(_) if failed => world.problem(format!("s{}: a page was refused", self.number)),
            Expected::Page(after) => self.page_complete(world, after),
            Expected::Settled(done) => drop(done.send(self.number)),
            Expected::Handled(messages) => messages.into_iter().for_each(|message| handled(world, message)),
            _ if failed => world.log(format!("s{} {id} failed", self.number)),
            Expected::Carbons => world.record().sessions[self.number].carbons_since = Some(moment),
            Expected::Available => world.record().sessions[self.number].available_since = Some(moment),
            Expected::Nothing => {}
        }
    }

    fn page_complete(&mut self, world: &World, after: Option<String>) {
        let entries = std::mem::take(&mut self.page);
        world.log(format!("s{} read {} after {after:?}", self.number, entries.len()));
        if let Some((last, _)) = entries.last() {
            self.read_to = Some(last.clone());
        }
        world.record().pages.push(PageRead { user: self.user, after, entries });
    }
}

fn handled(world: &World, message: MessageNo) {
    let fate = &mut world.record().messages[message].fate;
    if *fate == Fate::Unknown {
        *fate = Fate::Acknowledged;
    }
}

fn inside(element: &Element, name: &str, ns: &str) -> Option<Element> {
    element.child(name, ns)?.to_element().ok()
}

fn forwarded(element: &Element) -> Option<Element> {
    inside(&inside(element, "forwarded", ns::FORWARD)?, "message", ns::CLIENT)
}

fn number_of(message: &Element) -> Option<MessageNo> {
    message.child("body", ns::CLIENT)?.text()?.strip_prefix('m')?.parse().ok()
}
