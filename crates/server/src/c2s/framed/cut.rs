//! Out: a byte stream of ours into elements, each of which means the same by itself (RFC 7395 §3.3.3).

use std::io;

use bytes::{Bytes, BytesMut};
use xmpp::ns;
use xmpp::xml::{Element, Frame, Limits, Scanner, StreamHeader};

/// One part of what the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The stream header, at its beginning and after each restart.
    Open(Greeting),
    /// An element with the namespaces it needs.
    Element(Bytes),
    /// The end of the stream.
    Close,
}

/// The server's stream header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The domain.
    pub from: String,
    /// The id of the stream.
    pub id: String,
}

/// Cuts the stream. Our own words are checked too: what did not cut would be an error of ours.
pub(super) struct Cutter {
    waiting: BytesMut,
    scanner: Scanner,
}

impl Cutter {
    pub(super) fn new() -> Self {
        let mut scanner = Scanner::new(Limits::TRUSTED);
        // Around it no default namespace: then an element that names none shows itself.
        let header = format!("<stream:stream xmlns:stream='{}'>", ns::STREAM);
        let opened = scanner.next(&mut BytesMut::from(header.as_str()));
        debug_assert!(matches!(opened, Ok(Some(Frame::Open(_)))), "the header is complete");
        Self { waiting: BytesMut::new(), scanner }
    }

    /// Takes bytes of the stream and gives each part that they complete to `send`.
    pub(super) fn cut(&mut self, bytes: &[u8], mut send: impl FnMut(Piece)) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        while let Some(frame) = self.scanner.next(&mut self.waiting).map_err(io::Error::other)? {
            send(match frame {
                Frame::Open(StreamHeader { from, id, .. }) => {
                    Piece::Open(Greeting { from: from.unwrap_or_default(), id: id.unwrap_or_default() })
                }
                Frame::Element(element) => Piece::Element(standing_alone(&element)),
                Frame::Close => Piece::Close,
            });
        }
        if self.waiting.is_empty() {
            self.waiting = BytesMut::new();
        }
        Ok(())
    }
}

/// The element with a declaration of the namespace that it took from the stream header.
fn standing_alone(element: &Element) -> Bytes {
    let bytes = element.bytes();
    let (attribute, namespace) = match element.namespace() {
        "" => ("xmlns", ns::CLIENT),
        ns::STREAM => ("xmlns:stream", ns::STREAM),
        _ => return bytes.clone(),
    };
    let name_end = bytes.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
    let (name, rest) = bytes.split_at(name_end.unwrap_or(bytes.len()));
    [name, b" ", attribute.as_bytes(), b"='", namespace.as_bytes(), b"'", rest].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&str]) -> Vec<Piece> {
        let (mut cutter, mut pieces) = (Cutter::new(), Vec::new());
        for chunk in chunks {
            cutter.cut(chunk.as_bytes(), |piece| pieces.push(piece)).unwrap();
        }
        pieces
    }

    fn element(text: &'static str) -> Piece {
        Piece::Element(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn elements_are_cut_wherever_a_write_ends_and_stand_alone() {
        let pieces = cut(&[
            "<stream:stream from='h' id='7' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
            "<stream:features><bind xmlns='urn:b'/></stream:features><mes",
            "sage id=' xmlns=\"no\"'><body/></message><a xmlns='urn:xmpp:sm:3' h='1'/>",
            "<presence/></stream:stream>",
        ]);
        let greeting = Greeting { from: "h".to_owned(), id: "7".to_owned() };
        assert_eq!(
            pieces,
            [
                Piece::Open(greeting),
                element(
                    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:b'/></stream:features>"
                ),
                element("<message xmlns='jabber:client' id=' xmlns=\"no\"'><body/></message>"),
                element("<a xmlns='urn:xmpp:sm:3' h='1'/>"),
                element("<presence xmlns='jabber:client'/>"),
                Piece::Close,
            ]
        );
    }

    #[test]
    fn a_stream_that_begins_anew_is_told() {
        let header = "<stream:stream id='1' xmlns:stream='http://etherx.jabber.org/streams'>";
        assert_eq!(cut(&[header, header]).len(), 2);
    }
}
