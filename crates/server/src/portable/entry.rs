//! What stands directly within an exported user, as values for the database (XEP-0227 §3.3 to §3.9). Pure.

use std::collections::BTreeSet;

use bytes::Bytes;
use jid::BareJid;
use minidom::Element;
use storage::archive_prefs::ArchivePrefs;
use storage::private_xml::PrivateXml;
use storage::roster::{Item, Subscription};
use storage::vcards::Vcard;
use xmpp::sasl::ScramKeys;
use xmpp::xep::portable::{self, Blocked};
use xmpp::{address, ns};

use super::messages::stored_form;
use crate::clock;
use crate::ext::{archive_prefs, vcard};
use crate::pep;

/// JIDs in the two lists of archive preferences together.
const PREFS_JIDS_MAX: usize = 10_000;

/// Something of a user's.
#[derive(Debug)]
pub(super) enum Entry {
    /// What verifies the password for one hash.
    Scram(ScramKeys),
    /// Contacts; those that are none, with the reason.
    Roster(Vec<Item>, Vec<String>),
    /// A request that waits: who asks, and the stanza.
    Request(BareJid, Bytes),
    /// Private XML (XEP-0049).
    Private(Vec<PrivateXml>),
    /// A visiting card (XEP-0054).
    Vcard(Vcard),
    /// Whom the user has blocked, and how many rules could not be kept.
    Blocked(Blocked),
    /// Archive preferences (XEP-0441).
    Prefs(ArchivePrefs),
    /// What our own exports say beside.
    State(State),
    /// What is published to: nodes.
    Nodes(Vec<pep::NodeEntry>),
    /// What is published: node, id and payload.
    Items(Vec<(String, String, String)>),
    /// Nothing that is known here.
    Unknown,
}

/// What XEP-0227 has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Nobody may log in.
    pub(super) disabled: bool,
    /// The end of the last session, Unix time in milliseconds, and the status then.
    pub(super) last_seen: Option<(i64, Option<String>)>,
}

/// Reads an element that stands within the user `own`.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn read(element: &Element, own: &BareJid) -> Result<Entry, String> {
    let namespace = element.ns();
    Ok(match (element.name(), namespace.as_str()) {
        ("scram-credentials", ns::PORTABLE_SCRAM) => match portable::read_scram_credentials(element)? {
            Some(keys) => Entry::Scram(keys),
            None => Entry::Unknown,
        },
        ("query", ns::ROSTER) => roster(element, own),
        ("presence", ns::CLIENT) if element.attr("type") == Some("subscribe") => request(element, own)?,
        ("query", ns::PRIVATE_XML) => Entry::Private(private(element)),
        ("vCard", ns::VCARD) => {
            Entry::Vcard(Vcard { xml: String::from(element), photo_sha1: vcard::photo_sha1(element) })
        }
        ("query", ns::PRIVACY) => Entry::Blocked(portable::read_privacy_lists(element)),
        ("blocklist", ns::BLOCKING) => {
            let items = element.children().filter_map(|item| item.attr("jid").map(str::to_owned));
            Entry::Blocked(Blocked { jids: items.collect(), lost: 0 })
        }
        ("prefs", ns::MAM) => {
            let prefs = archive_prefs::read(element, PREFS_JIDS_MAX);
            Entry::Prefs(prefs.map_err(|_| "archive preferences that cannot be understood")?)
        }
        ("pubsub", ns::PUBSUB_OWNER) => Entry::Nodes(pep::read_nodes(element)),
        ("pubsub", ns::PUBSUB) => Entry::Items(pep::read_items(element)),
        ("account", ns::PORTABLE_ACCOUNT) => Entry::State(state(element)),
        _ => Entry::Unknown,
    })
}

fn roster(query: &Element, own: &BareJid) -> Entry {
    let mut refused = Vec::new();
    let mut items = Vec::new();
    for element in query.children().filter(|child| child.is("item", ns::ROSTER)) {
        match item(element, own) {
            Ok(item) => items.push(item),
            Err(why) => refused.push(why),
        }
    }
    Entry::Roster(items, refused)
}

fn item(element: &Element, own: &BareJid) -> Result<Item, String> {
    let text = element.attr("jid").unwrap_or_default();
    let jid = contact(text)?;
    if jid == *own {
        return Err(String::from("a contact that is the account itself"));
    }
    let subscription = match element.attr("subscription") {
        None | Some("none") => Subscription::None,
        Some("to") => Subscription::To,
        Some("from") => Subscription::From,
        Some("both") => Subscription::Both,
        Some(other) => return Err(format!("the contact {jid} with the subscription \"{}\"", other.escape_debug())),
    };
    let groups: BTreeSet<String> = element
        .children()
        .filter(|child| child.is("group", ns::ROSTER))
        .map(|group| group.text().trim().to_owned())
        .filter(|group| !group.is_empty())
        .collect();
    Ok(Item {
        jid: jid.to_string(),
        name: element.attr("name").filter(|name| !name.is_empty()).map(str::to_owned),
        subscription,
        ask: element.attr("ask") == Some("subscribe") && !subscription.has_to(),
        approved: matches!(element.attr("approved"), Some("true" | "1")),
        pending_in: None,
        groups: groups.into_iter().collect(),
        in_roster: true,
        version: 0,
    })
}

fn request(presence: &Element, own: &BareJid) -> Result<Entry, String> {
    let from = contact(presence.attr("from").unwrap_or_default())?;
    let mut presence = presence.clone();
    for (name, value) in [("from", from.as_str()), ("to", own.as_str())] {
        super::messages::set(&mut presence, name, value);
    }
    Ok(Entry::Request(from, stored_form(&presence).into()))
}

fn contact(text: &str) -> Result<BareJid, String> {
    let jid = address::parse(text).ok_or_else(|| format!("a contact whose JID is \"{}\"", text.escape_debug()))?;
    Ok(jid.to_bare())
}

fn private(query: &Element) -> Vec<PrivateXml> {
    let elements = query.children().filter(|child| !child.ns().is_empty() && child.ns() != ns::PRIVATE_XML);
    let own = |element: &Element| PrivateXml {
        namespace: element.ns(),
        name: element.name().to_owned(),
        xml: String::from(element),
    };
    elements.map(own).collect()
}

fn state(element: &Element) -> State {
    let at_ms = element.attr("last-seen").and_then(clock::parse_xmpp_time);
    let status = Some(element.text()).filter(|status| !status.is_empty());
    State { disabled: element.attr("disabled") == Some("true"), last_seen: at_ms.map(|at_ms| (at_ms, status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(xml: &str) -> Result<Entry, String> {
        read(&xml.parse().unwrap(), &BareJid::new("alice@example.org").unwrap())
    }

    #[test]
    fn contacts_are_read_and_those_that_are_none_are_named() {
        let query = "<query xmlns='jabber:iq:roster'>\
            <item jid='Bob@Example.org/x' name='Bob' subscription='both' ask='subscribe'><group>B</group><group>A</group><group>A</group></item>\
            <item jid='carol@example.org' ask='subscribe' approved='true'/><item jid='a@@b'/>\
            <item jid='alice@example.org'/><item jid='dan@x' subscription='remove'/></query>";
        let Ok(Entry::Roster(items, refused)) = entry(query) else { panic!("no roster") };
        assert_eq!(
            (items[0].jid.as_str(), items[0].subscription, items[0].ask),
            ("bob@example.org", Subscription::Both, false)
        );
        assert_eq!(items[0].groups, ["A", "B"]);
        assert!(items[1].ask && items[1].approved);
        assert_eq!(
            refused,
            [
                "a contact whose JID is \"a@@b\"",
                "a contact that is the account itself",
                "the contact dan@x with the subscription \"remove\""
            ]
        );
    }

    #[test]
    fn a_request_is_kept_as_the_server_keeps_it() {
        let Ok(Entry::Request(from, stanza)) =
            entry("<presence xmlns='jabber:client' type='subscribe' from='bob@x/y'><status>me</status></presence>")
        else {
            panic!("no request")
        };
        assert_eq!(from.as_str(), "bob@x");
        assert_eq!(
            stanza,
            "<presence from='bob@x' to='alice@example.org' type='subscribe'><status>me</status></presence>"
        );
    }

    #[test]
    fn what_is_not_known_is_left_and_what_is_faulty_is_named() {
        assert!(matches!(entry("<pubsub xmlns='http://jabber.org/protocol/muc'/>"), Ok(Entry::Unknown)));
        assert!(matches!(entry("<presence xmlns='jabber:client' from='a@b'/>"), Ok(Entry::Unknown)));
        let hash = "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-512'/>";
        assert!(matches!(entry(hash), Ok(Entry::Unknown)));
        assert_eq!(
            entry(&hash.replace("512", "1")).unwrap_err(),
            "SCRAM keys with a wrong iteration count".replace("with a wrong iteration count", "are not complete")
        );
        assert!(entry("<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>").is_err());
    }
}
