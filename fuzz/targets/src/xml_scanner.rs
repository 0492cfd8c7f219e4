//! The scanner reads a whole stream as rxml does, an independent parser, or refuses it as rxml does.

use crate::xmpp_tests::compare;

/// The input is a stream from its first byte to its last.
pub fn run(input: &[u8]) {
    compare(input);
}
