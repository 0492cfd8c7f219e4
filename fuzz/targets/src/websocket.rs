//! WebSocket frames and the messages in them: the same whatever pieces they come in, never past the bound, and never more
//! than one frame of the stream a message.

use bytes::{Bytes, BytesMut};
use server::c2s::framed::take_message;
use server::http::websocket::frame::{Decoder, Event, Fault};
use xmpp::ns;
use xmpp::xml::{Frame, Limits, Scanner};

const BYTES_MAX: usize = 1_000;

/// The input is what a client sends after the handshake.
pub fn run(input: &[u8]) {
    let whole = events(input, input.len().max(1));
    assert_eq!(whole, events(input, 1));
    assert_eq!(whole, events(input, 7));
    for event in whole.0 {
        if let Event::Text(message) = event {
            assert!(message.len() <= BYTES_MAX);
            is_one_frame(message);
        }
    }
    is_one_frame(Bytes::copy_from_slice(input));
}

fn events(input: &[u8], chunk: usize) -> (Vec<Event>, Option<Fault>) {
    let (mut decoder, mut waiting, mut events) = (Decoder::default(), BytesMut::new(), Vec::new());
    for chunk in input.chunks(chunk) {
        waiting.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut waiting, BYTES_MAX) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
    }
    (events, None)
}

/// Within a stream, what a message says is one element, the end, a header, white space, or wrong.
fn is_one_frame(message: Bytes) {
    let mut said = BytesMut::new();
    if take_message(&mut said, message, &Limits::TRUSTED).is_err() {
        return;
    }
    let mut scanner = Scanner::new(Limits::TRUSTED);
    let header = format!("<stream:stream xmlns='{}' xmlns:stream='{}'>", ns::CLIENT, ns::STREAM);
    let opened = scanner.next(&mut BytesMut::from(header.as_str()));
    assert!(matches!(opened, Ok(Some(Frame::Open(_)))));
    let is_space = said.iter().all(u8::is_ascii_whitespace);
    match scanner.next(&mut said) {
        Ok(None) => assert!(is_space, "half a frame"),
        Ok(Some(_)) => assert!(said.is_empty(), "more than a frame"),
        Err(_) => {}
    }
}
