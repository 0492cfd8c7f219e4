//! In: what a client says element by element, as the stream it would be over TCP.

use bytes::{Bytes, BytesMut};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::xml::{Element, Limits, XmlError};

/// The end of a client's stream.
pub const CLOSE: &[u8] = b"</stream:stream>";

/// Appends a client's stream header. What it must say is checked where that of a TCP client is.
pub fn open_stream(into: &mut BytesMut, attributes: &[(&str, Option<&str>)]) {
    let bare = Xml::bare("stream:stream").attr("xmlns", ns::CLIENT).attr("xmlns:stream", ns::STREAM);
    let header = attributes.iter().fold(bare, |xml, (name, value)| xml.attr_opt(name, *value)).to_string();
    into.extend_from_slice(header.strip_suffix("/>").unwrap_or(&header).as_bytes());
    into.extend_from_slice(b">");
}

/// Appends a WebSocket message: one element, whole (RFC 7395 §3.3.3), `<open/>` and `<close/>` among them; or nothing
/// but white space, by which some clients keep their connection alive.
///
/// # Errors
/// When it is anything else.
pub fn take_message(into: &mut BytesMut, message: Bytes, limits: &Limits) -> Result<(), XmlError> {
    if message.iter().all(u8::is_ascii_whitespace) {
        // A sign of life, as it is over TCP.
        into.extend_from_slice(b" ");
        return Ok(());
    }
    let element = Element::parse_within(message, ns::CLIENT, limits)?;
    match (element.namespace(), element.name()) {
        (ns::FRAMING, "open") => {
            let names = ["to", "from", "version", "xml:lang"];
            let values = names.map(|name| (name, element.attr(name)));
            let attributes: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_deref())).collect();
            open_stream(into, &attributes);
        }
        (ns::FRAMING, "close") => into.extend_from_slice(CLOSE),
        _ => into.extend_from_slice(element.bytes()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(message: &'static str) -> Result<String, XmlError> {
        let mut into = BytesMut::new();
        take_message(&mut into, Bytes::from_static(message.as_bytes()), &Limits::TRUSTED)?;
        Ok(String::from_utf8(into.to_vec()).unwrap())
    }

    #[test]
    fn opening_and_closing_are_said_in_the_streams_words() {
        let open = taken("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to=\"a&apos;b\" version='1.0'/>").unwrap();
        assert!(open.starts_with("<stream:stream ") && open.ends_with(" to='a&apos;b' version='1.0'>"), "{open}");
        assert_eq!(taken("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>").unwrap(), "</stream:stream>");
    }

    #[test]
    fn a_message_is_one_element() {
        assert_eq!(taken(" <presence/> ").unwrap(), "<presence/>");
        assert_eq!(taken("").unwrap(), " ");
        for bad in ["<presence/><presence/>", "<presence>", "</stream:stream>", "x", "<?xml version='1.0'?><presence/>"]
        {
            assert!(taken(bad).is_err(), "{bad}");
        }
    }
}
