//! A device's end of a connection: frames in, bytes out, and the log-in at its beginning (RFC 6120 §4.3, RFC 7677).

use std::io;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::BytesMut;
use server::c2s::listener::connect_in_memory;
use server::host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use xmpp::ns;
use xmpp::xml::{Element, Frame, Limits, Scanner};

/// An account as its devices know it. There is no password: the key is made up, so that a log-in costs no PBKDF2.
#[derive(Clone, Debug)]
pub struct Login {
    pub name: String,
    pub client_key: [u8; 32],
}

impl Login {
    /// What the server keeps of the key.
    pub fn stored_key(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.client_key).as_ref().to_vec()
    }
}

/// A connection on which its device is logged in.
pub struct Link {
    read: ReadHalf<DuplexStream>,
    write: WriteHalf<DuplexStream>,
    buffer: BytesMut,
    scanner: Scanner,
    outgoing: BytesMut,
}

impl Link {
    /// Connects and logs in; what follows is a stream to bind on. None: the connection ended.
    pub async fn log_in(host: &Arc<Host>, pipe_bytes: usize, login: &Login) -> io::Result<Self> {
        let pipe = connect_in_memory(host, pipe_bytes).ok_or(io::ErrorKind::ConnectionRefused)?;
        let (read, write) = tokio::io::split(pipe);
        let scanner = Scanner::new(Limits::TRUSTED);
        let mut link = Self { read, write, buffer: BytesMut::new(), scanner, outgoing: BytesMut::new() };
        let domain = host.domain.as_str().to_owned();
        link.open(&domain).await?;
        let first_bare = format!("n={},r=simulation", login.name);
        let first = BASE64.encode(format!("n,,{first_bare}"));
        link.ask(&format!("<auth xmlns='{}' mechanism='SCRAM-SHA-256'>{first}</auth>", ns::SASL)).await?;
        let challenge = link.element().await?.text().unwrap_or_default().into_owned();
        let server_first = String::from_utf8(BASE64.decode(challenge).map_err(wrong)?).map_err(wrong)?;
        let nonce = server_first.split(',').find_map(|part| part.strip_prefix("r=")).unwrap_or_default();
        let last = format!("c=biws,r={nonce}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &login.stored_key());
        let signature = hmac::sign(&key, format!("{first_bare},{server_first},{last}").as_bytes());
        let proof: Vec<u8> = login.client_key.iter().zip(signature.as_ref()).map(|(key, mask)| key ^ mask).collect();
        let response = BASE64.encode(format!("{last},p={}", BASE64.encode(proof)));
        link.ask(&format!("<response xmlns='{}'>{response}</response>", ns::SASL)).await?;
        if !link.element().await?.is("success", ns::SASL) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        link.scanner.restart();
        link.open(&domain).await?;
        Ok(link)
    }

    async fn open(&mut self, domain: &str) -> io::Result<()> {
        let header =
            format!("<stream:stream to='{domain}' version='1.0' xmlns='{}' xmlns:stream='{}'>", ns::CLIENT, ns::STREAM);
        self.ask(&header).await?;
        self.element().await.map(drop)
    }

    /// Writes while nothing is expected but the answer.
    pub async fn ask(&mut self, xml: &str) -> io::Result<()> {
        self.write.write_all(xml.as_bytes()).await
    }

    /// Queues bytes for [`Link::next`] to write.
    pub fn queue(&mut self, xml: &str) {
        self.outgoing.extend_from_slice(xml.as_bytes());
    }

    /// The next element; the end is an error.
    pub async fn element(&mut self) -> io::Result<Element> {
        self.next().await.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads until an element came, and writes what is queued meanwhile; None once the stream has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Element> {
        loop {
            match self.scanner.next(&mut self.buffer) {
                Ok(Some(Frame::Open(_))) => continue,
                Ok(Some(Frame::Element(element))) => return Some(element),
                Ok(Some(Frame::Close)) => return None,
                Ok(None) => {}
                Err(error) => panic!("the server sent what is no XML: {error}"),
            }
            tokio::select! {
                biased;
                written = self.write.write_buf(&mut self.outgoing), if !self.outgoing.is_empty() => {
                    // The server has closed: what it said before can still be read.
                    if written.is_err() {
                        self.outgoing.clear();
                    }
                }
                read = self.read.read_buf(&mut self.buffer) => {
                    if !matches!(read, Ok(1..)) {
                        return None;
                    }
                }
            }
        }
    }

    /// Whether nothing waits to be written.
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Says no more; what the server has written can still be read.
    pub async fn hang_up(&mut self) {
        self.outgoing.clear();
        let _ = self.write.shutdown().await;
    }
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
