//! However a stream arrives, its frames and its end are the same.

use crate::xmpp_tests::told_in_chunks;

/// The first byte says how many of those behind it are lengths of pieces; the rest is the stream.
pub fn run(input: &[u8]) {
    let Some((count, rest)) = input.split_first() else { return };
    let (lengths, stream) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut lengths: Vec<usize> = lengths.iter().map(|length| usize::from(*length).max(1)).collect();
    if lengths.is_empty() {
        lengths.push(1);
    }
    let whole = told_in_chunks(stream, &[usize::MAX]);
    assert_eq!(told_in_chunks(stream, &lengths), whole, "in pieces of {lengths:?}");
    assert_eq!(told_in_chunks(stream, &[1]), whole, "byte by byte");
}
