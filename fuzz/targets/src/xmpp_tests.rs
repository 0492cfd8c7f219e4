//! What the tests of the `xmpp` crate compare, compiled here once more: both find documents, one way each.

#[path = "../../../crates/xmpp/src/xml/tests/compare.rs"]
mod compare;
#[path = "../../../crates/xmpp/src/xml/tests/pieces.rs"]
mod pieces;

use bytes::BytesMut;
use xmpp::ns;
use xmpp::xml::{Element, Frame, Limits, Scanner, XmlError, escaped};

/// Bounds that an input of a few KiB does not reach: bounds are not what is compared.
const LIMITS: Limits =
    Limits { stanza_bytes_max: 1 << 20, depth_max: 4096, attributes_max: 4096, declarations_max: 4096 };

/// A stream of which `sent` has arrived.
fn stream_of(sent: &[u8]) -> (Scanner, BytesMut) {
    (Scanner::new(LIMITS), BytesMut::from(sent))
}

/// Panics where the scanner and rxml read `document` otherwise than documented.
pub(crate) fn compare(document: &[u8]) {
    if let Err(difference) = compare::compare(document) {
        panic!("{difference}");
    }
}

/// The frames of a stream that arrives in pieces of these lengths, again and again, and the error that ended it.
pub(crate) fn told_in_chunks(sent: &[u8], lengths: &[usize]) -> (Vec<String>, Option<XmlError>) {
    pieces::told_in_chunks(sent, lengths)
}
