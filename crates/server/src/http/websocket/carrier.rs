//! An open WebSocket as the carrier of a stream: each element a message (RFC 7395).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::xml::{Bound, Limits, XmlError};

use super::frame::{self, Decoder, Event, Fault};
use crate::c2s::framed::{Greeting, Piece, take_message};

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 4 * 1024;
/// RFC 6455 §7.4.1: a normal end.
const DONE: u16 = 1000;

/// A WebSocket after its handshake.
pub struct Carrier {
    socket: TokioIo<Upgraded>,
    limits: Limits,
    decoder: Decoder,
    /// Read and not decoded.
    input: BytesMut,
    /// Whole frames, to be written.
    output: BytesMut,
    /// The payload of the last ping, to be answered. Older ones need no answer (RFC 6455 §5.5.3), so a flood of them
    /// costs no memory.
    ping: Option<Bytes>,
    is_closed: bool,
}

impl Carrier {
    pub(super) fn new(socket: Upgraded, limits: Limits) -> Self {
        Self {
            socket: TokioIo::new(socket),
            limits,
            decoder: Decoder::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            ping: None,
            is_closed: false,
        }
    }

    /// Other bounds on what comes.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Appends what the next message says to `into`; false when the client has left.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        loop {
            self.answer_ping(cx)?;
            match self.decoder.next(&mut self.input, self.limits.stanza_bytes_max) {
                Ok(Some(Event::Text(message))) => {
                    take_message(into, message, &self.limits).map_err(invalid)?;
                    return Poll::Ready(Ok(true));
                }
                Ok(Some(Event::Ping(payload))) => self.ping = Some(payload),
                Ok(Some(Event::Pong)) => {}
                Ok(Some(Event::Close)) => {
                    let _ = self.say_close(cx, DONE);
                    return Poll::Ready(Ok(false));
                }
                Ok(None) => {
                    if ready!(self.poll_fill(cx))? == 0 {
                        return Poll::Ready(Ok(false));
                    }
                }
                Err(Fault::TooBig) => {
                    return Poll::Ready(Err(invalid(XmlError::PolicyViolation(Bound::StanzaBytes))));
                }
                Err(fault) => {
                    let _ = self.say_close(cx, fault.code());
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                }
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.is_empty() {
            // A client that says nothing costs no buffer.
            self.input = BytesMut::new();
        }
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Writes the answer to a ping, if the socket has room; else when it has.
    fn answer_ping(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ping.is_none() && self.output.is_empty() {
            return Ok(());
        }
        if self.poll_flush(cx)?.is_ready()
            && let Some(payload) = self.ping.take()
        {
            frame::put_pong(&mut self.output, &payload);
            let _ = self.poll_flush(cx)?;
        }
        Ok(())
    }

    fn say_close(&mut self, cx: &mut Context<'_>, code: u16) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closed, true) {
            frame::put_close(&mut self.output, code);
        }
        self.poll_flush(cx)
    }

    /// Queues what the server says.
    pub fn send(&mut self, piece: Piece) {
        match piece {
            Piece::Open(Greeting { from, id }) => {
                let open = Xml::new("open", ns::FRAMING)
                    .attr("from", from)
                    .attr("id", id)
                    .attr("version", "1.0")
                    .attr("xml:lang", "en")
                    .to_string();
                frame::put_text(&mut self.output, open.as_bytes());
            }
            Piece::Element(element) => frame::put_text(&mut self.output, &element),
            Piece::Close => {
                frame::put_text(&mut self.output, Xml::new("close", ns::FRAMING).to_string().as_bytes());
            }
        }
    }

    /// Ready once the socket has taken everything.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.has_remaining() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
        }
        self.output = BytesMut::new();
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ends the WebSocket, then our half of the socket (RFC 6455 §7.1.1).
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.say_close(cx, DONE))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// What the client wrote is no XMPP: the stream ends with an error that says so.
fn invalid(error: XmlError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
