//! However bytes arrive, the frames are the same; whatever they are, nothing panics.

use bytes::Bytes;
use proptest::prelude::*;

use super::oracle::document;
use super::pieces::told_in_chunks;
use super::*;

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(
        document in document(),
        lengths in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let whole = told_in_chunks(document.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(&whole.1, &None);
        prop_assert_eq!(&told_in_chunks(document.as_bytes(), &lengths), &whole);
        prop_assert_eq!(&told_in_chunks(document.as_bytes(), &[1]), &whole);
    }

    #[test]
    fn any_split_of_arbitrary_bytes_comes_to_the_same_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        lengths in prop::collection::vec(1_usize..20, 1..4),
    ) {
        let sent = [HEADER.as_bytes(), &bytes].concat();
        prop_assert_eq!(told_in_chunks(&sent, &lengths), told_in_chunks(&sent, &[usize::MAX]));
        told_in_chunks(&bytes, &lengths);
        let _ = Element::parse(Bytes::from(bytes), "");
    }

    #[test]
    fn markup_thrown_together_comes_to_the_same_end(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..40),
        lengths in prop::collection::vec(1_usize..20, 1..4),
    ) {
        let sent = [HEADER, &parts.concat()].concat();
        let sent = sent.as_bytes();
        prop_assert_eq!(told_in_chunks(sent, &lengths), told_in_chunks(sent, &[usize::MAX]));
    }
}

const PARTS: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "<a>",
    "</a>",
    "<a",
    " b='",
    "'",
    "\"",
    "=",
    " ",
    "<![CDATA[",
    "]]>",
    "<!",
    "<?",
    "&amp;",
    "&",
    ";",
    "&#",
    "x:",
    "xmlns",
    ":",
    "ä",
    "\u{ffff}",
    "text",
    "<b/>",
    "<a xmlns:x='y'>",
    "</stream:stream>",
    "\0",
];
