//! The messages of a page (XEP-0313 §4.2): stored text between two pieces of new text, never parsed.

use std::io::Write as _;

use storage::archive::Stored;
use xmpp::ns;
use xmpp::xml::escaped;

use crate::clock;

/// Bytes of one result beside the stored message and what the whole page shares.
const RESULT_BYTES: usize = 192;

/// Writes results of one query: what they share is written once.
pub(super) struct ResultWriter {
    /// From `<message` to before the archive id.
    head: String,
    /// `<stanza-id/>` to before the archive id.
    stanza_id: String,
}

impl ResultWriter {
    /// For results to the full JID `to` from the archive of the bare JID `by`.
    pub(super) fn new(to: &str, by: &str, queryid: Option<&str>) -> Self {
        let (to, by) = (escaped(to), escaped(by));
        let mut head = format!("<message to='{to}' from='{by}'><result xmlns='{}'", ns::MAM);
        if let Some(queryid) = queryid {
            head.push_str(" queryid='");
            head.push_str(&escaped(queryid));
            head.push('\'');
        }
        head.push_str(" id='");
        let stanza_id = format!("<stanza-id xmlns='{}' by='{by}' id='", ns::STANZA_ID);
        Self { head, stanza_id }
    }

    /// One result.
    pub(super) fn write(&self, message: &Stored) -> Vec<u8> {
        let shared = self.head.len() + self.stanza_id.len();
        let mut out = Vec::with_capacity(shared + message.stanza.len() + RESULT_BYTES);
        out.extend_from_slice(self.head.as_bytes());
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "{}'><forwarded xmlns='{}'><delay xmlns='{}' stamp='{}'/>",
            message.id,
            ns::FORWARD,
            ns::DELAY,
            clock::xmpp_time(message.id.at_ms()),
        );
        // XEP-0313 §3.2: a message that cannot be shown is left out of <forwarded/>, its id and time stay.
        if let Some((open, rest_of_tag)) = without_end(&message.stanza) {
            let _ = write!(out, "<message xmlns='{}'", ns::CLIENT);
            out.extend_from_slice(open);
            out.extend_from_slice(rest_of_tag);
            out.extend_from_slice(self.stanza_id.as_bytes());
            let _ = write!(out, "{}'/></message>", message.id);
        }
        out.extend_from_slice(b"</forwarded></result></message>");
        out
    }
}

/// What a stored `<message/>` has between its name and its end tag, and what is missing to add a child there.
fn without_end(stanza: &[u8]) -> Option<(&[u8], &'static [u8])> {
    let rest = stanza.strip_prefix(b"<message")?;
    match rest.strip_suffix(b"</message>") {
        Some(open) => Some((open, b"")),
        None => Some((rest.strip_suffix(b"/>")?, b">")),
    }
}

#[cfg(test)]
mod tests {
    use storage::ArchiveId;
    use storage::archive::Direction;

    use super::*;

    fn write(stanza: &'static str) -> String {
        let message = Stored {
            id: ArchiveId::first_at(1_278_796_105_250),
            peer: "romeo@montague.lit".into(),
            peer_resource: None,
            direction: Direction::Received,
            stanza: stanza.into(),
        };
        let writer = ResultWriter::new("juliet@capulet.lit/o'clock", "juliet@capulet.lit", Some("f27"));
        String::from_utf8(writer.write(&message)).unwrap()
    }

    fn result_around(message: &str) -> String {
        let id = ArchiveId::first_at(1_278_796_105_250);
        format!(
            "<message to='juliet@capulet.lit/o&apos;clock' from='juliet@capulet.lit'>\
             <result xmlns='urn:xmpp:mam:2' queryid='f27' id='{id}'><forwarded xmlns='urn:xmpp:forward:0'>\
             <delay xmlns='urn:xmpp:delay' stamp='2010-07-10T21:08:25.250Z'/>{message}</forwarded></result></message>"
        )
    }

    fn stanza_id() -> String {
        let id = ArchiveId::first_at(1_278_796_105_250);
        format!("<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.lit' id='{id}'/>")
    }

    #[test]
    fn a_message_comes_back_as_it_was_stored_with_its_namespace_and_its_id() {
        let message = format!(
            "<message xmlns='jabber:client' from='romeo@montague.lit/orchard' type='chat'><body>a &gt; b</body>{}</message>",
            stanza_id()
        );
        assert_eq!(
            write("<message from='romeo@montague.lit/orchard' type='chat'><body>a &gt; b</body></message>"),
            result_around(&message)
        );
    }

    #[test]
    fn an_empty_message_is_opened_for_its_id() {
        let message = format!("<message xmlns='jabber:client' id='1'>{}</message>", stanza_id());
        assert_eq!(write("<message id='1'/>"), result_around(&message));
    }

    #[test]
    fn what_is_no_message_is_left_out() {
        assert_eq!(write("<presence/>"), result_around(""));
        assert_eq!(write(""), result_around(""));
    }

    #[test]
    fn a_result_is_written_without_growing_its_buffer() {
        let stanza = "<message from='romeo@montague.lit/orchard' type='chat'><body>hi</body></message>";
        let message = Stored {
            id: ArchiveId::MAX,
            peer: "romeo@montague.lit".into(),
            peer_resource: None,
            direction: Direction::Received,
            stanza: stanza.into(),
        };
        let writer = ResultWriter::new("juliet@capulet.lit/chamber", "juliet@capulet.lit", None);
        let capacity = writer.head.len() + writer.stanza_id.len() + stanza.len() + RESULT_BYTES;
        let result = writer.write(&message);
        assert!(result.len() <= capacity, "{} > {capacity}", result.len());
    }
}
