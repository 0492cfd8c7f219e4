//! One connection as a stream of XML elements (RFC 6120 §4), read with rxml and minidom.

use std::io;

use anyhow::{Result, anyhow, bail};
use bytes::{Buf, BytesMut};
use minidom::Element;
use minidom::rxml::error::EndOrError;
use minidom::rxml::{Options, Parse, RawEvent, RawParser, WithOptions};
use minidom::tree_builder::TreeBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What carries the bytes.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read_buf(into).await,
            Self::Tls(tls) => tls.read_buf(into).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.write_all(bytes).await,
            Self::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }
}

/// What arrives on a stream.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    /// The stream header, as an element without children.
    Open(Element),
    /// A complete first-level element.
    Element(Element),
    /// `</stream:stream>`.
    Close,
    /// The connection ended.
    End,
}

/// A connection and where its parser stands.
pub(crate) struct Wire {
    transport: Transport,
    parser: RawParser,
    tree: TreeBuilder,
    unread: BytesMut,
    flights: u32,
    heard: bool,
}

/// Longest attribute or text in one piece that a test can ask for.
const TOKEN_BYTES_MAX: usize = 4 << 20;

fn parser() -> RawParser {
    RawParser::with_options(Options { max_token_length: TOKEN_BYTES_MAX, ..Options::default() })
}

impl Wire {
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, parser: parser(), tree: TreeBuilder::new(), unread: BytesMut::new(), flights: 0, heard: true }
    }

    /// How many times we spoke after listening: each answer that was waited for is one more.
    pub(crate) fn flights(&self) -> u32 {
        self.flights
    }

    /// `tls-exporter` of this connection (RFC 9266); None without TLS.
    pub(crate) fn exporter(&self) -> Option<[u8; 32]> {
        match &self.transport {
            Transport::Tcp(_) => None,
            Transport::Tls(tls) => {
                tls.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()
            }
        }
    }

    /// Takes the connection back for a TLS handshake.
    ///
    /// # Errors
    /// When it is encrypted already, or bytes were sent ahead of the handshake.
    pub(crate) fn into_tcp(self) -> Result<TcpStream> {
        if !self.unread.is_empty() {
            bail!("the server sent more after <proceed/>");
        }
        match self.transport {
            Transport::Tcp(tcp) => Ok(tcp),
            Transport::Tls(_) => bail!("the stream is encrypted already"),
        }
    }

    /// Begins to read a new stream on the same connection.
    pub(crate) fn restart(&mut self) {
        self.parser = parser();
        self.tree = TreeBuilder::new();
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        if std::mem::take(&mut self.heard) {
            self.flights += 1;
        }
        Ok(self.transport.write(text.as_bytes()).await?)
    }

    /// The next header, element or end. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Incoming> {
        loop {
            if let Some(incoming) = self.parsed()? {
                return Ok(incoming);
            }
            match self.transport.read(&mut self.unread).await {
                Ok(0) => return Ok(Incoming::End),
                Ok(_) => self.heard = true,
                // A server that closes while we still write resets the connection.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
                    return Ok(Incoming::End);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn parsed(&mut self) -> Result<Option<Incoming>> {
        loop {
            let mut rest = self.unread.as_ref();
            let before = rest.len();
            let event = self.parser.parse(&mut rest, false);
            let used = before - rest.len();
            self.unread.advance(used);
            match event {
                Ok(Some(event)) => {
                    if let Some(incoming) = self.built(event)? {
                        return Ok(Some(incoming));
                    }
                }
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => {
                    bail!("the server sent bad XML ({error}) before: {}", String::from_utf8_lossy(&self.unread));
                }
            }
        }
    }

    fn built(&mut self, event: RawEvent) -> Result<Option<Incoming>> {
        let opens = matches!(event, RawEvent::ElementHeadClose(_));
        let ends = matches!(event, RawEvent::ElementFoot(_));
        self.tree.process_event(event).map_err(|error| anyhow!("the server sent bad XML: {error}"))?;
        Ok(match self.tree.depth() {
            0 if ends => Some(Incoming::Close),
            1 if opens => self.tree.top().cloned().map(Incoming::Open),
            1 if ends => self.tree.unshift_child().map(Incoming::Element),
            _ => None,
        })
    }
}
