//! A stream whose carrier moves whole elements and not bytes: WebSocket (RFC 7395) and BOSH (XEP-0124, XEP-0206).
//!
//! To the rest of the server it is a stream as over TCP. What goes out is cut into elements that stand by themselves;
//! what comes in is put behind the stream header that a TCP client would have sent.

mod cut;
mod unframe;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xmpp::sasl::ChannelBindings;
use xmpp::xml::Limits;

pub use cut::{Greeting, Piece};
pub use unframe::{CLOSE, open_stream, take_message};

use crate::http::{bosh, websocket};
use cut::Cutter;

/// What moves the elements.
pub enum Carrier {
    /// One message an element.
    WebSocket(Box<websocket::Carrier>),
    /// Requests and their answers.
    Bosh(bosh::Carrier),
}

/// A stream of elements as a stream of bytes.
pub struct Framed {
    carrier: Carrier,
    cutter: Cutter,
    /// Of the stream, put together and not read yet.
    received: BytesMut,
    /// Whether the client's connection is encrypted, to us or to a trusted proxy.
    pub is_encrypted: bool,
    /// What SASL can be bound to.
    pub bindings: Arc<ChannelBindings>,
}

impl Framed {
    /// A stream on which nothing was said yet.
    pub fn new(carrier: Carrier, is_encrypted: bool, bindings: Arc<ChannelBindings>) -> Self {
        Self { carrier, cutter: Cutter::new(), received: BytesMut::new(), is_encrypted, bindings }
    }

    /// Other bounds, once the client has authenticated.
    pub fn set_limits(&mut self, limits: Limits) {
        match &mut self.carrier {
            Carrier::WebSocket(carrier) => carrier.set_limits(limits),
            Carrier::Bosh(carrier) => carrier.log_in(),
        }
    }
}

impl AsyncRead for Framed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.received.is_empty() {
            let received = &mut this.received;
            let more = match &mut this.carrier {
                Carrier::WebSocket(carrier) => ready!(carrier.poll_receive(cx, received)),
                Carrier::Bosh(carrier) => ready!(carrier.poll_receive(cx, received)),
            }?;
            if !more {
                return Poll::Ready(Ok(()));
            }
        }
        let bytes = this.received.len().min(buf.remaining());
        buf.put_slice(this.received.get(..bytes).unwrap_or_default());
        this.received.advance(bytes);
        if this.received.is_empty() {
            // A client that says nothing costs no buffer.
            this.received = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What was written before goes first, so that no more than one write waits here.
        match &mut this.carrier {
            Carrier::WebSocket(carrier) => ready!(carrier.poll_flush(cx)),
            Carrier::Bosh(carrier) => ready!(carrier.poll_flush(cx)),
        }?;
        let carrier = &mut this.carrier;
        this.cutter.cut(buf, |piece| match carrier {
            Carrier::WebSocket(carrier) => carrier.send(piece),
            Carrier::Bosh(carrier) => carrier.send(piece),
        })?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::WebSocket(carrier) => carrier.poll_flush(cx),
            Carrier::Bosh(carrier) => carrier.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().carrier {
            Carrier::WebSocket(carrier) => carrier.poll_shutdown(cx),
            Carrier::Bosh(carrier) => carrier.poll_flush(cx),
        }
    }
}
