//! How the scanner behaves, told as stories, and compared with another parser.

mod chunks;
mod compare;
mod elements;
mod oracle;
mod pieces;
mod refused;
mod streams;

use bytes::BytesMut;

use super::{Element, Frame, Limits, Scanner, XmlError, escaped};
use crate::ns;

const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
                      to='example.org' version='1.0'>";

/// Enough for every document here that is not about a bound.
const LIMITS: Limits = Limits { stanza_bytes_max: 1 << 20, depth_max: 64, attributes_max: 64, declarations_max: 64 };

/// A stream of which `sent` has arrived.
fn stream_of(sent: &[u8]) -> (Scanner, BytesMut) {
    (Scanner::new(LIMITS), BytesMut::from(sent))
}

/// All frames there are, or the first error.
fn drain(scanner: &mut Scanner, input: &mut BytesMut) -> Result<Vec<Frame>, XmlError> {
    let mut frames = Vec::new();
    while let Some(frame) = scanner.next(input)? {
        frames.push(frame);
    }
    Ok(frames)
}

/// The frames of a stream sent in one piece.
fn frames_of(sent: &[u8]) -> Result<Vec<Frame>, XmlError> {
    let (mut scanner, mut input) = stream_of(sent);
    drain(&mut scanner, &mut input)
}

/// The one stanza sent after the usual header.
fn stanza(xml: &str) -> Element {
    let mut frames = frames_of(format!("{HEADER}{xml}").as_bytes()).unwrap();
    assert_eq!(frames.len(), 2, "not one whole stanza: {xml}");
    let Some(Frame::Element(element)) = frames.pop() else { panic!("no stanza: {xml}") };
    element
}
