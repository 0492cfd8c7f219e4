//! Stanzas: what is forwarded, or answered, is read again by the next one as the same.

use minidom::Element as Dom;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::stanza::{Kind, Rejected, Stanza};
use xmpp::xml::{Element, Limits};

/// As a client's, with more depth and attributes than an input has room for.
const LIMITS: Limits = Limits { stanza_bytes_max: 1 << 16, depth_max: 512, attributes_max: 512, declarations_max: 512 };

/// The input is a first-level element of a client's stream.
pub fn run(input: &[u8]) {
    let Ok(element) = Element::parse_within(input.to_vec(), ns::CLIENT, &LIMITS) else { return };
    // Elements of other namespaces are for other readers (c2s::reader).
    if element.namespace() != ns::CLIENT {
        return;
    }
    let (stanza, error) = match Stanza::parse(element) {
        Ok(stanza) => (stanza, StanzaError::with_text(Condition::ServiceUnavailable, "not here")),
        Err(Rejected::Faulty(stanza, error)) => (*stanza, error),
        Err(Rejected::NotAStanza) => return,
    };
    // minidom refuses some names that XML allows.
    let Ok(dom) = stanza.element.to_dom() else { return };
    assert!(!String::from(&dom).is_empty(), "a tree cannot be written");
    forwarded(&stanza);
    shortened(&stanza);
    answered(&stanza, &error);
}

/// With its addressing and payload as they are.
fn forwarded(stanza: &Stanza) {
    let again = read(stanza.to_xml(|_| true, ""), stanza.kind);
    assert_eq!(addressing(&again), addressing(stanza));
    assert_eq!(payload(&again), payload(stanza), "the payload means something else");
    let once_more = again.to_xml(|_| true, "");
    assert_eq!(once_more, read(once_more.clone(), stanza.kind).to_xml(|_| true, ""), "it changes with each hop");
}

/// Without some of its children, and with one more.
fn shortened(stanza: &Stanza) {
    let is_kept = |name: &str| name.len() % 2 == 0;
    let extra = format!("<even xmlns='{}'/>", ns::STANZA_ID);
    let again = read(stanza.to_xml(|child| is_kept(child.name()), &extra), stanza.kind);
    let expected: Vec<_> = stanza.element.children().filter(|child| is_kept(child.name())).collect();
    let kept: Vec<_> = again.element.children().collect();
    assert_eq!(kept.len(), expected.len() + 1);
    for (kept, expected) in kept.iter().zip(&expected) {
        assert_eq!(kept.to_dom().unwrap(), expected.to_dom().unwrap());
    }
}

/// With an error, and with a result.
fn answered(stanza: &Stanza, error: &StanzaError) {
    let Some(xml) = stanza.error_xml(error) else { return };
    let answer = parse(xml);
    assert!(answer.kind.is_error() && answer.kind.name() == stanza.kind.name());
    assert_eq!((&answer.from, &answer.to, &answer.id), (&stanza.to, &stanza.from, &stanza.id));
    let condition = answer.element.child("error", ns::CLIENT).and_then(|child| child.to_element().ok());
    assert!(condition.is_some_and(|element| element.child(error.condition.as_str(), ns::STANZA_ERRORS).is_some()));
    assert!(answer.error_xml(error).is_none(), "an error is answered");

    if matches!(stanza.kind, Kind::Iq(_)) && stanza.id.is_some() {
        let result = parse(stanza.result_xml(""));
        assert_eq!((&result.from, &result.to, &result.id), (&stanza.to, &stanza.from, &stanza.id));
    }
}

/// A stanza of this kind from the server's own text. One whose fault was in its type or id keeps it.
fn read(xml: String, kind: Kind) -> Stanza {
    let stanza = parse(xml);
    assert_eq!(stanza.kind, kind);
    stanza
}

fn parse(xml: String) -> Stanza {
    let element = Element::parse(xml, ns::CLIENT).expect("the server wrote XML that it cannot read");
    match Stanza::parse(element) {
        Ok(stanza) => stanza,
        // Faults that are not repaired by leaving out what is wrong: an IQ without an id.
        Err(Rejected::Faulty(stanza, _)) if stanza.id.is_none() => *stanza,
        Err(rejected) => panic!("the server wrote a stanza that it rejects: {rejected:?}"),
    }
}

fn addressing(stanza: &Stanza) -> [Option<String>; 4] {
    let jid = |jid: &Option<jid::Jid>| jid.as_ref().map(ToString::to_string);
    [jid(&stanza.from), jid(&stanza.to), stanza.id.clone(), stanza.lang.clone()]
}

/// The content as a tree: children and text in their order.
fn payload(stanza: &Stanza) -> Vec<minidom::Node> {
    let dom: Dom = stanza.element.to_dom().expect("an element that was read has a tree");
    dom.nodes().cloned().collect()
}
