//! WebSocket framing (RFC 6455 §5), the server's side: bytes in, messages out. No I/O, and never more memory than the
//! bound on a message, which changes when the client logs in; that is why it is our own.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message. That it is UTF-8 is for whoever reads it to check.
    Text(Bytes),
    /// To be answered with the same payload.
    Ping(Bytes),
    /// An answer.
    Pong,
    /// The other side leaves.
    Close,
}

/// Why the connection cannot go on (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The frames break the protocol.
    #[error("broken WebSocket framing")]
    Protocol,
    /// Binary messages mean nothing here (RFC 7395 §3.2).
    #[error("a binary WebSocket message")]
    Binary,
    /// A message past the bound.
    #[error("a WebSocket message past the bound")]
    TooBig,
}

impl Fault {
    /// The code of the closing frame.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::TooBig => 1009,
        }
    }
}

/// Text, and how a message ends: `FIN`, the opcode.
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// RFC 6455 §5.5
const CONTROL_BYTES_MAX: usize = 125;

/// A client's frames as they arrive.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Fragments of a message that is not complete.
    message: BytesMut,
    is_in_message: bool,
    /// The frame whose payload comes.
    frame: Option<Frame>,
}

/// The head of a frame, and how much of its payload came.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    is_last: bool,
    mask: [u8; 4],
    left: usize,
    seen: usize,
}

impl Decoder {
    /// The next event in `input`, with messages of `bytes_max` at most; None until more bytes follow.
    ///
    /// # Errors
    /// [`Fault`], after which nothing more can be read.
    pub fn next(&mut self, input: &mut BytesMut, bytes_max: usize) -> Result<Option<Event>, Fault> {
        loop {
            let Some(mut frame) = self.frame.take() else {
                let Some(frame) = self.head(input, bytes_max)? else { return Ok(None) };
                self.frame = Some(frame);
                continue;
            };
            if frame.opcode >= CLOSE {
                if input.len() < frame.left {
                    self.frame = Some(frame);
                    return Ok(None);
                }
                let mut payload = input.split_to(frame.left);
                unmask(&mut payload, frame.mask, 0);
                return Ok(Some(match frame.opcode {
                    PING => Event::Ping(payload.freeze()),
                    PONG => Event::Pong,
                    _ => Event::Close,
                }));
            }
            let mut came = input.split_to(input.len().min(frame.left));
            unmask(&mut came, frame.mask, frame.seen);
            self.message.extend_from_slice(&came);
            frame.left -= came.len();
            frame.seen += came.len();
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if frame.is_last {
                self.is_in_message = false;
                return Ok(Some(Event::Text(std::mem::take(&mut self.message).freeze())));
            }
        }
    }

    fn head(&mut self, input: &mut BytesMut, bytes_max: usize) -> Result<Option<Frame>, Fault> {
        let &[first, second, ..] = input.as_ref() else { return Ok(None) };
        let (opcode, is_last) = (first & 0x0F, first & FIN != 0);
        // RFC 6455 §5.1: a client masks. No extension was agreed that would use the reserved bits.
        if first & RESERVED != 0 || second & MASKED == 0 {
            return Err(Fault::Protocol);
        }
        let short = usize::from(second & !MASKED);
        let more = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut head = input.as_ref();
        head.advance(2);
        if head.len() < more + 4 {
            return Ok(None);
        }
        let len = match more {
            2 => Some(usize::from(head.get_u16())).filter(|len| *len > 125),
            8 => Some(head.get_u64())
                .filter(|len| *len > 0xFFFF && *len < 1 << 63)
                .map(|len| usize::try_from(len).unwrap_or(usize::MAX)),
            _ => Some(short),
        };
        // The shortest way of writing a length is the only one.
        let len = len.ok_or(Fault::Protocol)?;
        let mask = head.get_u32().to_be_bytes();
        match (opcode, self.is_in_message) {
            (CLOSE | PING | PONG, _) if is_last && len <= CONTROL_BYTES_MAX => {}
            (TEXT, false) | (CONTINUATION, true) => self.is_in_message = true,
            (BINARY, false) => return Err(Fault::Binary),
            _ => return Err(Fault::Protocol),
        }
        if opcode < CLOSE && self.message.len().saturating_add(len) > bytes_max {
            return Err(Fault::TooBig);
        }
        input.advance(2 + more + 4);
        Ok(Some(Frame { opcode, is_last, mask, left: len, seen: 0 }))
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut key = mask;
    key.rotate_left(offset % 4);
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Appends a text message.
pub(super) fn put_text(out: &mut BytesMut, text: &[u8]) {
    put(out, TEXT, text);
}

/// Appends the answer to a ping.
pub(super) fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put(out, PONG, payload);
}

/// Appends a closing frame.
pub(super) fn put_close(out: &mut BytesMut, code: u16) {
    put(out, CLOSE, &code.to_be_bytes());
}

fn put(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    out.put_u8(FIN | opcode);
    match payload.len() {
        len @ ..126 => out.put_u8(u8::try_from(len).unwrap_or(0)),
        len @ ..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(u16::try_from(len).unwrap_or(0));
        }
        len => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out, 0, payload);
        let mut head = out[..out.len() - payload.len()].to_vec();
        head[0] = first;
        head[1] |= MASKED;
        head.extend(MASK);
        head.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
        head
    }

    fn events(bytes: &[u8], chunk: usize) -> Result<Vec<Event>, Fault> {
        let (mut decoder, mut input, mut events) = (Decoder::default(), BytesMut::new(), Vec::new());
        for chunk in bytes.chunks(chunk) {
            input.extend_from_slice(chunk);
            while let Some(event) = decoder.next(&mut input, 70_000)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // RFC 6455 §5.7, its single-frame masked text message.
        let hello = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
        assert_eq!(events(&hello, 100), Ok(vec![Event::Text(Bytes::from_static(b"Hello"))]));
        let mut out = BytesMut::new();
        put_text(&mut out, b"Hello");
        assert_eq!(out.as_ref(), [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]);
    }

    #[test]
    fn messages_come_whole_whatever_pieces_they_come_in() {
        let long = vec![b'a'; 66_000];
        let bytes = [
            masked(TEXT, b"one "),
            masked(FIN | PING, b"?"),
            masked(CONTINUATION, b""),
            masked(FIN | CONTINUATION, b"message"),
            masked(FIN | TEXT, &long[..300]),
            masked(FIN | TEXT, &long),
            masked(FIN | PONG, b""),
            masked(FIN | CLOSE, &1000_u16.to_be_bytes()),
        ]
        .concat();
        let wanted = vec![
            Event::Ping(Bytes::from_static(b"?")),
            Event::Text(Bytes::from_static(b"one message")),
            Event::Text(Bytes::from(long[..300].to_vec())),
            Event::Text(Bytes::from(long.clone())),
            Event::Pong,
            Event::Close,
        ];
        for chunk in [1, 2, 3, 7, 64, 1_000, bytes.len()] {
            assert_eq!(events(&bytes, chunk).as_ref(), Ok(&wanted), "{chunk}");
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_refused_by_its_head() {
        let reserved = masked(FIN | 0x40 | TEXT, b"x");
        let unknown = masked(FIN | 0x3, b"x");
        let bare = vec![FIN | TEXT, 1, b'x'];
        let long_ping = masked(FIN | PING, &[0; 126]);
        let cut_ping = masked(PING, b"x");
        let nothing_to_continue = masked(FIN | CONTINUATION, b"x");
        let text_in_text = [masked(TEXT, b"x"), masked(FIN | TEXT, b"y")].concat();
        let padded_length = [vec![FIN | TEXT, MASKED | 126, 0, 1], MASK.to_vec(), vec![0]].concat();
        for bad in [reserved, unknown, bare, long_ping, cut_ping, nothing_to_continue, text_in_text, padded_length] {
            assert_eq!(events(&bad, 1), Err(Fault::Protocol), "{bad:?}");
        }
        assert_eq!(events(&masked(FIN | BINARY, b"x"), 1), Err(Fault::Binary));
    }

    #[test]
    fn a_message_past_the_bound_is_refused_before_it_is_kept() {
        let head = [vec![FIN | TEXT, MASKED | 127], u64::MAX.wrapping_shr(1).to_be_bytes().to_vec(), MASK.to_vec()];
        assert_eq!(events(&head.concat(), 100), Err(Fault::TooBig));
        let fragments = masked(TEXT, &[b'a'; 40_000]).into_iter().chain(masked(CONTINUATION, &[b'a'; 40_000]));
        assert_eq!(events(&fragments.collect::<Vec<_>>(), 1_000), Err(Fault::TooBig));
    }
}
