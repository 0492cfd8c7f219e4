//! XEP-0280 message carbons: every device of a user sees what the others send and receive.

use std::sync::atomic::Ordering;

use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;
use xmpp::stanza::{Kind, MessageType, Stanza};

use super::{Reply, Request};

/// Answers `enable` and `disable`.
pub async fn handle(request: &Request<'_>) -> Reply {
    let session = request.own_session()?;
    if !request.set {
        return Err(Condition::NotAllowed.into());
    }
    match request.payload.name() {
        "enable" => session.carbons.store(true, Ordering::Relaxed),
        "disable" => session.carbons.store(false, Ordering::Relaxed),
        _ => return Err(Condition::BadRequest.into()),
    }
    Ok(String::new())
}

/// Which copy a device gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Another device of the user sent the message.
    Sent,
    /// Another device of the user received it.
    Received,
}

/// XEP-0280 §6.1: whether copies of a message are made, seen from the user's side `copy`.
pub fn eligible(message: &Stanza, copy: Copy) -> bool {
    let Kind::Message(kind) = message.kind else { return false };
    if message.has("private", ns::CARBONS) || message.has("no-copy", ns::HINTS) {
        return false;
    }
    // A room replicates private messages to all clients that joined; what a local user sends there is copied.
    let invitation = message.has_ns(ns::CONFERENCE) || is_mediated_invitation(message);
    if copy == Copy::Received && message.has("x", ns::MUC_USER) && !invitation {
        return false;
    }
    match kind {
        MessageType::Chat => true,
        MessageType::Groupchat | MessageType::Headline => false,
        // An error answers something the user sent: an error for an instant message concerns all devices.
        MessageType::Error => message.has_body() || has_im_payload(message),
        MessageType::Normal => message.has_body() || invitation || has_im_payload(message),
    }
}

fn is_mediated_invitation(message: &Stanza) -> bool {
    message
        .element
        .child("x", ns::MUC_USER)
        .and_then(|x| x.to_element().ok())
        .is_some_and(|x| x.child("invite", ns::MUC_USER).is_some())
}

fn has_im_payload(message: &Stanza) -> bool {
    message.element.children().any(|child| {
        matches!(child.namespace(), ns::RECEIPTS | ns::CHAT_STATES | ns::MARKERS | ns::OMEMO | ns::OMEMO_LEGACY)
    })
}

/// The carbon for one device. `original` is the serialised `<message/>`.
pub fn wrap(copy: Copy, kind: Kind, own_bare: &str, device: &str, original: &[u8]) -> String {
    let name = match copy {
        Copy::Sent => "sent",
        Copy::Received => "received",
    };
    // Inside <forwarded/> the default namespace is another: the message names its own.
    let original = String::from_utf8_lossy(original);
    let message = original.strip_prefix("<message").unwrap_or(&original);
    let message = format!("<message xmlns='{}'{message}", ns::CLIENT);
    Xml::bare("message")
        .attr("from", own_bare)
        .attr("to", device)
        .attr_opt("type", kind.type_attr())
        .child(Xml::new(name, ns::CARBONS).child(Xml::new("forwarded", ns::FORWARD).raw(&message)))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(text: &str) -> (bool, bool) {
        let message = Stanza::from_text(text.to_owned()).unwrap();
        (eligible(&message, Copy::Sent), eligible(&message, Copy::Received))
    }

    #[test]
    fn instant_messages_are_copied_and_nothing_else() {
        let both = (true, true);
        let none = (false, false);
        assert_eq!(copies("<message type='chat'/>"), both);
        assert_eq!(copies("<message><body>x</body></message>"), both);
        assert_eq!(copies("<message><subject>x</subject></message>"), none);
        assert_eq!(copies("<message type='groupchat'><body>x</body></message>"), none);
        assert_eq!(copies("<message type='headline'><body>x</body></message>"), none);
        let receipt = format!("<message><received xmlns='{}' id='x'/></message>", ns::RECEIPTS);
        assert_eq!(copies(&receipt), both);
        let private = format!("<message type='chat'><private xmlns='{}'/></message>", ns::CARBONS);
        assert_eq!(copies(&private), none);
        let no_copy = format!("<message type='chat'><no-copy xmlns='{}'/></message>", ns::HINTS);
        assert_eq!(copies(&no_copy), none);
        let room = format!("<message type='chat'><body>x</body><x xmlns='{}'/></message>", ns::MUC_USER);
        assert_eq!(copies(&room), (true, false));
    }

    #[test]
    fn a_carbon_holds_the_original_in_its_own_namespace() {
        let kind = Kind::Message(MessageType::Chat);
        let carbon = wrap(Copy::Sent, kind, "a@x", "a@x/2", b"<message to='b@x'><body>hi</body></message>");
        let dom: minidom::Element = carbon.replacen("<message", "<message xmlns='jabber:client'", 1).parse().unwrap();
        let forwarded = dom.get_child("sent", ns::CARBONS).unwrap().get_child("forwarded", ns::FORWARD).unwrap();
        let message = forwarded.get_child("message", ns::CLIENT).unwrap();
        assert_eq!(message.get_child("body", ns::CLIENT).unwrap().text(), "hi");
    }
}
