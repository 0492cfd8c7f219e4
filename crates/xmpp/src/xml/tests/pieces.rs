//! What comes of a stream that arrives in pieces. The fuzz target `stream` compiles this file too: `super` names what it
//! needs.

use super::{Frame, XmlError, stream_of};

/// A frame as something to compare.
fn told(frame: &Frame) -> String {
    match frame {
        Frame::Element(element) => {
            let children: Vec<_> = element.children().map(|child| format!("{child:?} {:?}", child.range())).collect();
            let text = element.text();
            format!("{element:?} {:?} {text:?} {} {children:?}", element.bytes(), element.declarations())
        }
        other => format!("{other:?}"),
    }
}

/// What comes of a stream that arrives in pieces of these lengths, again and again.
pub(super) fn told_in_chunks(sent: &[u8], lengths: &[usize]) -> (Vec<String>, Option<XmlError>) {
    let (mut scanner, mut input) = stream_of(b"");
    let mut rest = sent;
    let mut frames = Vec::new();
    for length in lengths.iter().cycle() {
        let (now, later) = rest.split_at((*length).min(rest.len()));
        rest = later;
        input.extend_from_slice(now);
        loop {
            match scanner.next(&mut input) {
                Ok(Some(frame)) => frames.push(told(&frame)),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        if rest.is_empty() {
            return (frames, None);
        }
    }
    (frames, None)
}
