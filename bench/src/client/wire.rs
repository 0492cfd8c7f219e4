//! One connection: bytes to frames and back. What is written waits until the client has read all that came, so that
//! answers go out together, as they do in real clients.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use xmpp::ns;
use xmpp::xml::{Element, Frame, Limits, Scanner};

use super::account::DOMAIN;
use super::tls;

/// Bytes asked for in one read.
const READ_BYTES: usize = 4096;

/// Where and how to connect.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// Direct TLS (XEP-0368), or nothing.
    pub tls: bool,
    /// The client's own address, where one is not enough.
    pub source: Option<Ipv4Addr>,
}

enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// The server is in this process.
    Memory(DuplexStream),
}

/// A connection and where its reader stands.
pub struct Wire {
    transport: Transport,
    scanner: Scanner,
    unread: BytesMut,
    unsent: BytesMut,
}

impl Wire {
    /// Connects, with the TLS handshake.
    pub async fn connect(target: Target) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = target.source {
            socket.bind((source, 0).into())?;
        }
        let tcp = socket.connect(target.address).await.context("connect")?;
        tcp.set_nodelay(true)?;
        let transport = if target.tls {
            let name = ServerName::try_from(DOMAIN)?;
            Transport::Tls(Box::new(tls::connector().connect(name, tcp).await.context("TLS handshake")?))
        } else {
            Transport::Tcp(tcp)
        };
        Ok(Self::over(transport))
    }

    /// The client's end of a connection without a socket.
    pub fn in_memory(end: DuplexStream) -> Self {
        Self::over(Transport::Memory(end))
    }

    fn over(transport: Transport) -> Self {
        Self { transport, scanner: Scanner::new(Limits::TRUSTED), unread: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// Gives the read buffer back while nothing is in it: a million of them are held at once.
    pub fn rest(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
    }

    /// Writes with the next [`Wire::flush`], or when there is nothing to read.
    pub fn push(&mut self, text: &str) {
        self.unsent.extend_from_slice(text.as_bytes());
    }

    /// Writes what was pushed. Cancelling loses nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        while self.unsent.has_remaining() {
            match &mut self.transport {
                Transport::Tcp(tcp) => tcp.write_buf(&mut self.unsent).await?,
                Transport::Tls(tls) => tls.write_buf(&mut self.unsent).await?,
                Transport::Memory(end) => end.write_buf(&mut self.unsent).await?,
            };
        }
        self.unsent = BytesMut::new();
        match &mut self.transport {
            Transport::Tcp(_) | Transport::Memory(_) => Ok(()),
            Transport::Tls(tls) => tls.flush().await,
        }
    }

    /// The next element; `None` once the server has closed the stream. Cancelling loses nothing.
    pub async fn element(&mut self) -> Result<Option<Element>> {
        loop {
            match self.scanner.next(&mut self.unread)? {
                Some(Frame::Element(element)) if element.is("error", ns::STREAM) => {
                    bail!("stream error: {}", String::from_utf8_lossy(element.bytes()))
                }
                Some(Frame::Element(element)) => return Ok(Some(element)),
                Some(Frame::Open(_)) => {}
                Some(Frame::Close) => return Ok(None),
                None => {
                    self.flush().await?;
                    if self.read().await? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Opens a stream and returns its features (RFC 6120 §4.3).
    pub async fn open(&mut self) -> Result<Element> {
        self.scanner.restart();
        self.push(&format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='{}' xmlns:stream='{}'>",
            ns::CLIENT,
            ns::STREAM
        ));
        let features = self.element().await?.context("closed before the stream features")?;
        if features.is("features", ns::STREAM) { Ok(features) } else { bail!("no stream features") }
    }

    /// Ends the stream and waits until the server has ended its own.
    pub async fn close(mut self) -> Result<()> {
        self.push("</stream:stream>");
        self.flush().await?;
        // Presence may still come, and some servers only close the connection.
        while let Ok(Some(_)) = self.element().await {}
        Ok(())
    }

    /// Bytes as they come, for the floor, whose frames are no XML stream.
    pub async fn bytes(&mut self) -> Result<BytesMut> {
        self.flush().await?;
        if self.read().await? == 0 {
            bail!("closed");
        }
        Ok(std::mem::take(&mut self.unread))
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.unread.reserve(READ_BYTES);
        let count = match &mut self.transport {
            Transport::Tcp(tcp) => tcp.read_buf(&mut self.unread).await,
            Transport::Tls(tls) => tls.read_buf(&mut self.unread).await,
            Transport::Memory(end) => end.read_buf(&mut self.unread).await,
        };
        match count {
            // Some servers close without TLS's own farewell.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            count => count,
        }
    }
}
