//! A stream on a socket: bytes in, frames out, and the other way round. Used by client and component connections.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use xmpp::error::StreamError;
use xmpp::xml::{Frame, Limits, Scanner, XmlError};

use super::framed::Framed;
use crate::tls::Identity;

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 16 * 1024;
/// Bytes still read from a client whose stream has ended.
const READ_AWAY_BYTES: usize = 256 * 1024;

/// What a scanner holds a peer to who may send stanzas of that many bytes.
pub fn xml_limits(limits: &crate::limits::Limits, stanza_bytes_max: usize) -> Limits {
    Limits {
        stanza_bytes_max,
        depth_max: limits.depth_max,
        attributes_max: limits.attributes_max,
        declarations_max: limits.declarations_max,
    }
}

/// What carries the bytes.
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP, with the certificate that served the handshake.
    Tls(Box<TlsStream<TcpStream>>, Arc<Identity>),
    /// No socket at all: both ends in this process, for measurements.
    Memory(DuplexStream),
    /// WebSocket or BOSH.
    Framed(Box<Framed>),
    /// Nothing: the socket was taken for a TLS handshake.
    Closed,
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Framed(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Framed(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
            Self::Framed(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Framed(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed or was closed without `</stream:stream>`.
    #[error("connection lost: {0}")]
    Lost(io::Error),
    /// What came is no XMPP.
    #[error("{0}")]
    Xml(#[from] XmlError),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|error| error.downcast_ref::<XmlError>()) {
            // What carries whole elements checks them itself.
            Some(error) => Self::Xml(*error),
            None => Self::Lost(error),
        }
    }
}

impl WireError {
    /// The stream error to answer with; None when nobody is there to read it.
    pub fn stream_error(&self) -> Option<StreamError> {
        match self {
            Self::Lost(_) => None,
            Self::Xml(error) => Some(StreamError::with_text(error.condition(), error.to_string())),
        }
    }
}

/// The reading half of a stream's state: what came and is not yet a frame.
#[derive(Debug)]
pub struct Incoming {
    buffer: BytesMut,
    scanner: Scanner,
}

impl Incoming {
    /// An empty buffer before a new stream.
    pub fn new(limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), scanner: Scanner::new(limits) }
    }

    /// A new stream begins on the same connection (after STARTTLS and SASL).
    pub fn restart(&mut self) {
        self.scanner.restart();
    }

    /// Other bounds, once the client has authenticated.
    pub fn set_limits(&mut self, limits: Limits) {
        self.scanner.set_limits(limits);
    }

    /// Whether bytes came that were not taken as frames yet. After `<starttls/>` there must be none: what was sent
    /// in the clear must not count as sent under TLS (CVE-2011-0411).
    pub fn has_leftover(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame that is already here.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, XmlError> {
        let frame = self.scanner.next(&mut self.buffer)?;
        if frame.is_none() && self.buffer.is_empty() {
            // A client that says nothing costs no buffer.
            self.buffer = BytesMut::new();
        }
        Ok(frame)
    }

    /// Reads more bytes. Cancel-safe.
    pub async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        // Room on the stack, taken anew each time something may have come: while nothing does, none is held.
        poll_fn(|cx| {
            let mut room = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.buffer.extend_from_slice(read.filled());
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// A stream in negotiation: one side speaks at a time.
pub struct Wire {
    /// The socket.
    pub transport: Transport,
    /// What came from it.
    pub incoming: Incoming,
    /// Whether our header of the present stream was written: nothing can be said before it.
    pub greeted: bool,
    /// Goes out with what is sent next.
    held: String,
}

impl Wire {
    /// A stream over a socket on which nothing was read yet.
    pub fn new(transport: Transport, limits: Limits) -> Self {
        Self { transport, incoming: Incoming::new(limits), greeted: false, held: String::new() }
    }

    /// A new stream begins on the same connection (after STARTTLS and SASL).
    pub fn restart(&mut self) {
        self.incoming.restart();
        self.greeted = false;
    }

    /// Other bounds, once the client has authenticated.
    pub fn set_limits(&mut self, limits: Limits) {
        self.incoming.set_limits(limits);
        if let Transport::Framed(framed) = &mut self.transport {
            framed.set_limits(limits);
        }
    }

    /// The next frame, read from the socket when none is here. Cancel-safe.
    pub async fn frame(&mut self) -> Result<Frame, WireError> {
        loop {
            if let Some(frame) = self.incoming.next_frame()? {
                return Ok(frame);
            }
            self.incoming.fill(&mut self.transport).await?;
        }
    }

    /// XML to be written together with what is sent next, at once.
    pub fn hold(&mut self, xml: &str) {
        self.held.push_str(xml);
    }

    /// Writes XML and flushes it.
    pub async fn send(&mut self, xml: &str) -> io::Result<()> {
        if self.held.is_empty() {
            self.transport.write_all(xml.as_bytes()).await?;
        } else {
            let together = std::mem::take(&mut self.held) + xml;
            self.transport.write_all(together.as_bytes()).await?;
        }
        self.transport.flush().await
    }

    /// Ends the stream: the error when there is one, the closing tag, then the socket.
    pub async fn close(&mut self, error: Option<&StreamError>) {
        let mut xml = error.map(StreamError::to_xml).unwrap_or_default();
        xml.push_str("</stream:stream>");
        // The other side may be gone already: then there is nobody to tell.
        if self.send(&xml).await.is_ok() {
            let _ = self.transport.shutdown().await;
        }
    }

    /// Closing a socket with bytes unread resets the connection, and the reset may overtake what was written last. So
    /// what the client has under way is read and thrown away, within reason.
    pub async fn read_away(&mut self) {
        let mut buffer = [0; 1024];
        let mut left = READ_AWAY_BYTES;
        while let Ok(read @ 1..) = self.transport.read(&mut buffer).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    }
}
