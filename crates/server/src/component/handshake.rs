//! How a component opens its stream and proves that it knows the shared secret (XEP-0114 §3).

use xmpp::build::Xml;
use xmpp::error::StreamError;
use xmpp::ns;
use xmpp::sasl::{Hash, hash};
use xmpp::xml::{Element, Frame, StreamHeader, escaped};

use super::Components;
use crate::c2s::wire::{Wire, WireError};

/// Why a component does not get in.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is told so: the stream ends with this error, the server's header being written.
    With(StreamError),
    /// The stream ended before.
    Gone,
}

/// Opens the stream and checks the handshake. Returns the component's domain, proven; the `<handshake/>` that tells
/// the component so is still to be written.
pub(super) async fn negotiate(wire: &mut Wire, components: &Components, stream_id: &str) -> Result<String, Refused> {
    let opened = match wire.frame().await {
        Ok(Frame::Open(header)) => check_header(&header, components),
        Ok(_) => return Err(Refused::Gone),
        Err(error) => Err(error.stream_error().ok_or(Refused::Gone)?),
    };
    // RFC 6120 §4.9.1.2: a fault in the header is told within a stream, so the answer's header comes first.
    let from = opened.as_deref().ok();
    wire.send(&header_xml(from, stream_id)).await.map_err(|_| Refused::Gone)?;
    let domain = opened.map_err(Refused::With)?;

    match wire.frame().await.map_err(refused)? {
        Frame::Element(element) => check_handshake(&element, components, &domain, stream_id)?,
        Frame::Open(_) | Frame::Close => return Err(Refused::Gone),
    }
    Ok(domain)
}

/// The answer to a right handshake.
pub(super) fn accepted_xml() -> String {
    Xml::bare("handshake").to_string()
}

fn refused(error: WireError) -> Refused {
    error.stream_error().map_or(Refused::Gone, Refused::With)
}

/// The domain that a stream header asks to serve, or what is wrong with it.
fn check_header(header: &StreamHeader, components: &Components) -> Result<String, StreamError> {
    if header.name != "stream" || header.namespace != ns::STREAM || header.content_namespace != ns::COMPONENT {
        return Err(StreamError::new("invalid-namespace"));
    }
    let Some(to) = &header.to else {
        return Err(StreamError::with_text("improper-addressing", "to is missing: it names the component"));
    };
    let domain = jid::DomainPart::new(to).map_err(|_| StreamError::new("improper-addressing"))?;
    if !components.is_configured(domain.as_str()) {
        return Err(StreamError::with_text("host-unknown", "no component of that name is configured"));
    }
    Ok(domain.as_str().to_owned())
}

fn check_handshake(element: &Element, components: &Components, domain: &str, stream_id: &str) -> Result<(), Refused> {
    let refused = |text: &str| Err(Refused::With(StreamError::with_text("not-authorized", text)));
    if !element.is("handshake", ns::COMPONENT) {
        return refused("the first element must be the handshake");
    }
    let Some(secret) = components.secret(domain) else { return refused("the handshake is wrong") };
    let given = element.text().unwrap_or_default();
    if !hash::equal(given.trim().as_bytes(), proof(stream_id, secret.expose()).as_bytes()) {
        return refused("the handshake is wrong");
    }
    Ok(())
}

/// What a component sends that knows the secret: SHA-1 of stream id and secret, in lower-case hexadecimal.
fn proof(stream_id: &str, secret: &str) -> String {
    let digest = Hash::Sha1.digest(format!("{stream_id}{secret}").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header_xml(from: Option<&str>, stream_id: &str) -> String {
    let from = from.map(|from| format!(" from='{}'", escaped(from))).unwrap_or_default();
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}'{from} id='{}'>",
        ns::COMPONENT,
        ns::STREAM,
        escaped(stream_id)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Secret;

    fn plays_only() -> Components {
        let secrets = BTreeMap::from([("plays.shakespeare.lit".to_owned(), Secret::new("test".to_owned()))]);
        Components::with(secrets, 8, 1)
    }

    fn header(to: Option<&str>) -> StreamHeader {
        StreamHeader {
            name: "stream".to_owned(),
            namespace: ns::STREAM.to_owned(),
            content_namespace: ns::COMPONENT.to_owned(),
            to: to.map(str::to_owned),
            ..StreamHeader::default()
        }
    }

    fn handshake(text: &str) -> Result<(), Refused> {
        let element = Element::parse(format!("<handshake>{text}</handshake>"), ns::COMPONENT).unwrap();
        check_handshake(&element, &plays_only(), "plays.shakespeare.lit", "3BF96D32")
    }

    /// The XEP's own example; its secret, "test", is the one that gives the digest printed there.
    #[test]
    fn the_digest_is_that_of_the_specification() {
        assert_eq!(proof("3BF96D32", "test"), "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e");
    }

    #[test]
    fn only_the_right_digest_opens() {
        assert!(handshake("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e").is_ok());
        for wrong in
            ["", "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1f", "AAEE83C26AEEAFCBABEABFCBCD50DF997E0A2A1E", "test"]
        {
            let Err(Refused::With(error)) = handshake(wrong) else { panic!("{wrong} opened") };
            assert_eq!(error.condition, "not-authorized");
        }
    }

    #[test]
    fn a_header_names_a_configured_component_in_the_right_namespace() {
        let components = plays_only();
        let condition = |header: &StreamHeader| check_header(header, &components).unwrap_err().condition;
        assert_eq!(check_header(&header(Some("Plays.shakespeare.lit")), &components).unwrap(), "plays.shakespeare.lit");
        assert_eq!(condition(&header(Some("games.shakespeare.lit"))), "host-unknown");
        assert_eq!(condition(&header(None)), "improper-addressing");
        let client = StreamHeader { content_namespace: ns::CLIENT.to_owned(), ..header(Some("plays.shakespeare.lit")) };
        assert_eq!(condition(&client), "invalid-namespace");
    }

    #[test]
    fn the_answer_is_a_stream_header() {
        assert_eq!(
            header_xml(Some("plays.shakespeare.lit"), "x"),
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
             xmlns:stream='http://etherx.jabber.org/streams' from='plays.shakespeare.lit' id='x'>"
        );
    }
}
