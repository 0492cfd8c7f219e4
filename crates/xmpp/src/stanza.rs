//! Stanzas (RFC 6120 §8): the common attributes parsed, the payload left as the bytes it came in.

use std::fmt::Write as _;

use bytes::Bytes;
use jid::Jid;

use crate::address;
use crate::error::{Condition, StanzaError};
use crate::ns;
use crate::xml::{Child, Element, escape_attribute_into};

/// `type` of a message (RFC 6121 §5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named and explained in RFC 6121 §5.2.2")]
pub enum MessageType {
    Chat,
    Error,
    Groupchat,
    Headline,
    Normal,
}

/// `type` of a presence (RFC 6121 §4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named and explained in RFC 6121 §4.7.1")]
pub enum PresenceType {
    Available,
    Error,
    Probe,
    Subscribe,
    Subscribed,
    Unavailable,
    Unsubscribe,
    Unsubscribed,
}

/// `type` of an IQ (RFC 6120 §8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named and explained in RFC 6120 §8.2.3")]
pub enum IqType {
    Get,
    Set,
    Result,
    Error,
}

/// Which stanza, of which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `<message/>`
    Message(MessageType),
    /// `<presence/>`
    Presence(PresenceType),
    /// `<iq/>`
    Iq(IqType),
}

impl Kind {
    /// The element's local name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Presence(_) => "presence",
            Self::Iq(_) => "iq",
        }
    }

    /// The `type` attribute, or None where its absence says the same.
    pub fn type_attr(self) -> Option<&'static str> {
        Some(match self {
            Self::Message(MessageType::Normal) | Self::Presence(PresenceType::Available) => return None,
            Self::Message(MessageType::Chat) => "chat",
            Self::Message(MessageType::Groupchat) => "groupchat",
            Self::Message(MessageType::Headline) => "headline",
            Self::Message(MessageType::Error) | Self::Presence(PresenceType::Error) | Self::Iq(IqType::Error) => {
                "error"
            }
            Self::Presence(PresenceType::Probe) => "probe",
            Self::Presence(PresenceType::Subscribe) => "subscribe",
            Self::Presence(PresenceType::Subscribed) => "subscribed",
            Self::Presence(PresenceType::Unavailable) => "unavailable",
            Self::Presence(PresenceType::Unsubscribe) => "unsubscribe",
            Self::Presence(PresenceType::Unsubscribed) => "unsubscribed",
            Self::Iq(IqType::Get) => "get",
            Self::Iq(IqType::Set) => "set",
            Self::Iq(IqType::Result) => "result",
        })
    }

    /// Whether the stanza is of type `error`; such a stanza is never answered with another error.
    pub fn is_error(self) -> bool {
        self.type_attr() == Some("error")
    }
}

/// A stanza: its addressing parsed, its payload as bytes.
#[derive(Clone, Debug)]
pub struct Stanza {
    /// Which stanza, of which type.
    pub kind: Kind,
    /// Who sent it; the server stamps this on what its clients send.
    pub from: Option<Jid>,
    /// Whom it is for; None means the sender's own account (RFC 6120 §8.1.1.1).
    pub to: Option<Jid>,
    /// The sender's tracking identifier.
    pub id: Option<String>,
    /// Language of the human-readable content.
    pub lang: Option<String>,
    /// The whole element.
    pub element: Element,
}

/// Why an element of the stream is no stanza that can be processed.
#[derive(Debug)]
pub enum Rejected {
    /// Not a stanza at all: `unsupported-stanza-type` on the stream (RFC 6120 §4.9.3.24).
    NotAStanza,
    /// A stanza with a fault in it: the error, and the stanza as far as it could be read.
    /// A faulty `from` is dropped, a faulty `to` likewise.
    Faulty(Box<Stanza>, StanzaError),
}

impl Stanza {
    /// Reads the common attributes of a top-level element.
    pub fn parse(element: Element) -> Result<Self, Rejected> {
        let type_attr = element.attr("type");
        let mut fault = None;
        let kind = match element.name() {
            "message" => Kind::Message(match type_attr.as_deref() {
                Some("chat") => MessageType::Chat,
                Some("error") => MessageType::Error,
                Some("groupchat") => MessageType::Groupchat,
                Some("headline") => MessageType::Headline,
                // RFC 6121 §5.2.2: an unknown type is to be treated as normal.
                _ => MessageType::Normal,
            }),
            "presence" => Kind::Presence(match type_attr.as_deref() {
                None => PresenceType::Available,
                Some("error") => PresenceType::Error,
                Some("probe") => PresenceType::Probe,
                Some("subscribe") => PresenceType::Subscribe,
                Some("subscribed") => PresenceType::Subscribed,
                Some("unavailable") => PresenceType::Unavailable,
                Some("unsubscribe") => PresenceType::Unsubscribe,
                Some("unsubscribed") => PresenceType::Unsubscribed,
                Some(_) => {
                    fault = Some(StanzaError::with_text(Condition::BadRequest, "unknown presence type"));
                    PresenceType::Available
                }
            }),
            "iq" => Kind::Iq(match type_attr.as_deref() {
                Some("get") => IqType::Get,
                Some("set") => IqType::Set,
                Some("result") => IqType::Result,
                Some("error") => IqType::Error,
                _ => {
                    fault = Some(StanzaError::with_text(Condition::BadRequest, "unknown IQ type"));
                    IqType::Get
                }
            }),
            _ => return Err(Rejected::NotAStanza),
        };
        drop(type_attr);
        let mut jid = |name: &str| match element.attr(name) {
            None => None,
            Some(text) => {
                let jid = address::parse(&text);
                if jid.is_none() {
                    fault = Some(StanzaError::new(Condition::JidMalformed));
                }
                jid
            }
        };
        let from = jid("from");
        let to = jid("to");
        let id = element.attr("id").map(|id| id.into_owned());
        let lang = element.lang().map(|lang| lang.into_owned());
        if matches!(kind, Kind::Iq(_)) && id.is_none() && fault.is_none() {
            fault = Some(StanzaError::with_text(Condition::BadRequest, "an IQ needs an id"));
        }
        let stanza = Self { kind, from, to, id, lang, element };
        match fault {
            None => Ok(stanza),
            Some(error) => Err(Rejected::Faulty(Box::new(stanza), error)),
        }
    }

    /// A stanza from its text, for what the server itself makes or has stored.
    pub fn from_text(text: impl Into<Bytes>) -> Option<Self> {
        Self::parse(Element::parse(text.into(), ns::CLIENT).ok()?).ok()
    }

    /// Whether there is a child of that name and namespace.
    pub fn has(&self, name: &str, namespace: &str) -> bool {
        self.element.child(name, namespace).is_some()
    }

    /// Whether any child is in that namespace.
    pub fn has_ns(&self, namespace: &str) -> bool {
        self.element.children().any(|child| child.namespace() == namespace)
    }

    /// Whether it carries `<body/>` in the stream's content namespace.
    pub fn has_body(&self) -> bool {
        self.content_child("body").is_some()
    }

    /// The first child of that name in the stanza's own namespace.
    pub fn content_child(&self, name: &str) -> Option<Child<'_>> {
        self.element.child(name, self.element.namespace())
    }

    /// The start tag with the stanza's present addressing, without its closing `>`.
    fn write_start(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.kind.name());
        write_attr(out, "from", self.from.as_ref().map(Jid::as_str));
        write_attr(out, "to", self.to.as_ref().map(Jid::as_str));
        // `normal` may be said or left out; it stays as the sender has it.
        let normal = (self.kind == Kind::Message(MessageType::Normal)
            && self.element.attr("type").as_deref() == Some("normal"))
        .then_some("normal");
        write_attr(out, "type", self.kind.type_attr().or(normal));
        write_attr(out, "id", self.id.as_deref());
        write_attr(out, "xml:lang", self.lang.as_deref());
        out.push_str(self.element.declarations());
    }

    /// The stanza as text with its present addressing, its payload's bytes as they came, then `extra`.
    ///
    /// Children for which `keep` says false are left out. Valid in any stream whose content namespace
    /// is the default one.
    pub fn to_xml(&self, keep: impl Fn(&Child<'_>) -> bool, extra: &str) -> String {
        let inner = self.element.inner();
        let mut out = String::with_capacity(inner.len() + extra.len() + 200);
        self.write_start(&mut out);
        let start = out.len();
        out.push('>');
        let mut done = 0;
        for child in self.element.children().filter(|child| !keep(child)) {
            let range = child.range();
            push_utf8(&mut out, inner.get(done..range.start));
            done = range.end;
            // Without the child, `]]` before it and `>` behind it would meet: XML 1.0 §2.4 forbids that in text.
            if out.ends_with(']') {
                out.pop();
                out.push_str("&#93;");
            }
        }
        push_utf8(&mut out, inner.get(done..));
        out.push_str(extra);
        if out.len() == start + 1 {
            out.truncate(start);
            out.push_str("/>");
        } else {
            out.push_str("</");
            out.push_str(self.kind.name());
            out.push('>');
        }
        out
    }

    /// The error answer to this stanza (RFC 6120 §8.3.1), or None when it must not be answered:
    /// an error itself, or a result.
    pub fn error_xml(&self, error: &StanzaError) -> Option<String> {
        if self.kind.is_error() || self.kind == Kind::Iq(IqType::Result) {
            return None;
        }
        let mut out = self.reply_start("error");
        out.push('>');
        out.push_str(&error.to_xml());
        out.push_str("</");
        out.push_str(self.kind.name());
        out.push('>');
        Some(out)
    }

    /// The result of this IQ (RFC 6120 §8.2.3) around a payload, which may be empty.
    pub fn result_xml(&self, payload: &str) -> String {
        let mut out = self.reply_start("result");
        if payload.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            out.push_str(payload);
            out.push_str("</");
            out.push_str(self.kind.name());
            out.push('>');
        }
        out
    }

    fn reply_start(&self, type_attr: &str) -> String {
        let mut out = String::with_capacity(256);
        out.push('<');
        out.push_str(self.kind.name());
        write_attr(&mut out, "from", self.to.as_ref().map(Jid::as_str));
        write_attr(&mut out, "to", self.from.as_ref().map(Jid::as_str));
        let _ = write!(out, " type='{type_attr}'");
        write_attr(&mut out, "id", self.id.as_deref());
        out
    }
}

fn write_attr(out: &mut String, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape_attribute_into(out, value);
    out.push('\'');
}

fn push_utf8(out: &mut String, bytes: Option<&[u8]>) {
    // The scanner has proved the whole element to be UTF-8 and child ranges to lie on tag borders.
    if let Some(text) = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(text: &'static str) -> Stanza {
        Stanza::from_text(text).unwrap()
    }

    #[test]
    fn a_message_is_forwarded_with_new_addressing_and_its_payload_untouched() {
        let mut message = stanza(
            "<message to='bob@example.org' type='chat' id='a&amp;b'><body>hi &lt;3</body><x xmlns='urn:x'>\n</x></message>",
        );
        message.from = Some(Jid::new("alice@example.org/phone").unwrap());
        assert_eq!(
            message.to_xml(|_| true, "<y/>"),
            "<message from='alice@example.org/phone' to='bob@example.org' type='chat' id='a&amp;b'>\
             <body>hi &lt;3</body><x xmlns='urn:x'>\n</x><y/></message>"
        );
    }

    #[test]
    fn children_can_be_left_out() {
        let message = stanza("<message><a xmlns='urn:a'/>x<b xmlns='urn:b'><c/></b><a xmlns='urn:a'/></message>");
        assert_eq!(message.to_xml(|child| child.name() != "a", ""), "<message>x<b xmlns='urn:b'><c/></b></message>");
        assert_eq!(stanza("<message><a xmlns='urn:a'/></message>").to_xml(|_| false, ""), "<message/>");
    }

    #[test]
    fn text_on_both_sides_of_a_child_that_is_left_out_stays_text() {
        for (text, expected) in [("]]<x/>>", "]&#93;>"), ("]<x/>]>", "&#93;]>"), ("]]<x/><x/>>", "]&#93;>")] {
            let written = stanza(format!("<message>{text}</message>").leak()).to_xml(|_| false, "");
            assert_eq!(written, format!("<message>{expected}</message>"));
            assert_eq!(Stanza::from_text(written).unwrap().element.text().as_deref(), Some("]]>"));
        }
    }

    #[test]
    fn faults_name_their_condition() {
        let fault = |text: &'static str| match Stanza::parse(Element::parse(text, ns::CLIENT).unwrap()) {
            Err(Rejected::Faulty(_, error)) => error.condition,
            other => panic!("{other:?}"),
        };
        assert_eq!(fault("<message to='a b@@'/>"), Condition::JidMalformed);
        assert_eq!(fault("<iq type='get'><x xmlns='urn:x'/></iq>"), Condition::BadRequest);
        assert_eq!(fault("<iq type='other' id='1'/>"), Condition::BadRequest);
        assert_eq!(fault("<presence type='other'/>"), Condition::BadRequest);
    }

    #[test]
    fn an_address_is_read_in_its_final_form() {
        let message = stanza("<message to='bob@example.org./phone'/>");
        assert_eq!(message.to, Jid::new("bob@example.org/phone").ok());
    }

    #[test]
    fn errors_are_never_answered() {
        let error = StanzaError::new(Condition::ServiceUnavailable);
        assert!(stanza("<message type='error'/>").error_xml(&error).is_none());
        assert!(stanza("<iq type='result' id='1'/>").error_xml(&error).is_none());
        let answer = stanza("<iq type='get' id='1' to='example.org'/>").error_xml(&error).unwrap();
        assert!(answer.starts_with("<iq from='example.org' type='error' id='1'><error type='cancel'>"), "{answer}");
    }
}
