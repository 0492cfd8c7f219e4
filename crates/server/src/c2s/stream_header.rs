//! Opening a stream (RFC 6120 §4.2, §4.7): the client's header is read, the server's is sent.

use std::sync::Arc;

use xmpp::build::Xml;
use xmpp::error::StreamError;
use xmpp::ns;
use xmpp::xml::{Frame, StreamHeader};

use super::negotiation::Abandoned;
use super::random_id;
use super::wire::{Transport, Wire, WireError};
use crate::host::Host;

/// Reads the client's stream header and answers with the server's (RFC 6120 §4.2), which goes out with the features.
/// What is wrong with it is said in a stream of our own. Gives back who the client says it is.
pub(super) async fn open_stream(host: &Arc<Host>, wire: &mut Wire) -> Result<Option<String>, Abandoned> {
    let frame = wire.frame().await;
    if !matches!(frame, Err(WireError::Lost(_))) {
        greet(host, wire);
    }
    match frame? {
        Frame::Open(header) => {
            check(host, &header)?;
            Ok(header.from)
        }
        Frame::Element(_) | Frame::Close => Err(StreamError::new("bad-format").into()),
    }
}

/// Puts our stream header before what is sent next, unless it was written: an error can only be told within a stream
/// (RFC 6120 §4.9.1.2).
pub(super) fn greet(host: &Host, wire: &mut Wire) {
    if std::mem::replace(&mut wire.greeted, true) {
        return;
    }
    let header = Xml::bare("stream:stream")
        .attr("from", host.domain.as_str())
        .attr("id", random_id())
        .attr("version", "1.0")
        .attr("xml:lang", "en")
        .attr("xmlns", ns::CLIENT)
        .attr("xmlns:stream", ns::STREAM)
        .to_string();
    let open = header.strip_suffix("/>").unwrap_or(&header);
    // Where elements go by themselves, there is no document to declare.
    let declaration = if matches!(wire.transport, Transport::Framed(_)) { "" } else { "<?xml version='1.0'?>" };
    wire.hold(&format!("{declaration}{open}>"));
}

/// RFC 6120 §4.7 and §4.8
fn check(host: &Host, header: &StreamHeader) -> Result<(), StreamError> {
    if header.namespace != ns::STREAM || header.name != "stream" || header.content_namespace != ns::CLIENT {
        return Err(StreamError::new("invalid-namespace"));
    }
    // RFC 6120 §4.7.5: major version 1; no version at all is 0.9.
    let major = header.version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major == 0) {
        return Err(StreamError::with_text("unsupported-version", "XMPP 1.0 is spoken here"));
    }
    match header.to.as_deref().map(jid::BareJid::new) {
        Some(Ok(to)) if to == host.domain => Ok(()),
        Some(_) => Err(StreamError::with_text("host-unknown", format!("this server is {}", host.domain))),
        None => Err(StreamError::with_text("improper-addressing", "the stream header needs 'to'")),
    }
}
