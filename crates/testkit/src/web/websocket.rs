//! A WebSocket client (RFC 6455, RFC 7395) that can break every rule: frames are the test's to make.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};

use super::{Proof, bind};
use crate::raw::Raw;
use crate::server::TestServer;

const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
const MASK: [u8; 4] = [0x5A, 0x00, 0xC3, 0x7E];

/// What came over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// A closing frame with its code.
    Close(u16),
    /// The connection ended.
    End,
}

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    raw: Raw,
    domain: String,
}

impl WebSocket {
    /// Connects over TLS.
    ///
    /// # Errors
    /// When the server does not take the connection as a WebSocket.
    pub async fn connect(server: &TestServer) -> Result<Self> {
        Self::connect_at(server.address("https")?, server).await
    }

    /// Connects over TLS to an address with the server's certificate, such as a proxy's.
    ///
    /// # Errors
    /// When nobody takes the connection as a WebSocket there.
    pub async fn connect_at(address: SocketAddr, server: &TestServer) -> Result<Self> {
        let raw = Raw::connect(address).await?;
        let raw = raw.shake_hands(server.domain(), &server.ca(), Some("http/1.1")).await?;
        Self::upgrade(raw, server.domain()).await
    }

    /// Connects without TLS.
    ///
    /// # Errors
    /// When the server does not take the connection as a WebSocket.
    pub async fn connect_plain(server: &TestServer) -> Result<Self> {
        Self::upgrade(Raw::connect(server.address("http")?).await?, server.domain()).await
    }

    /// The head of the request for a WebSocket, with further fields, each with its line end.
    #[must_use]
    pub fn request(host: &str, fields: &str) -> String {
        format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        )
    }

    async fn upgrade(mut raw: Raw, domain: &str) -> Result<Self> {
        raw.send(Self::request(domain, "Sec-WebSocket-Protocol: xmpp\r\n")).await?;
        let answer = raw.until("\r\n\r\n").await?;
        ensure!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // RFC 6455 §1.3, its example.
        ensure!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        ensure!(answer.to_lowercase().contains("sec-websocket-protocol: xmpp"), "{answer}");
        raw.restart_after("\r\n\r\n");
        Ok(Self { raw, domain: domain.to_owned() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.raw.send(bytes).await
    }

    /// The connection below.
    pub fn raw(&mut self) -> &mut Raw {
        &mut self.raw
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, text: &str) -> Result<()> {
        self.raw.send(masked(0x81, text.as_bytes())).await
    }

    /// The next thing that comes.
    ///
    /// # Errors
    /// When nothing comes within the deadline, or no frame.
    pub async fn hear(&mut self) -> Result<Heard> {
        let Some(head) = self.raw.exactly(2).await? else { return Ok(Heard::End) };
        let [first, second] = head[..] else { bail!("half a head") };
        ensure!(second & 0x80 == 0, "a server does not mask");
        let (short, more) = (usize::from(second), if second < 126 { 0 } else { 2 + 6 * usize::from(second == 127) });
        let long = self.raw.exactly(more).await?.context("half a head")?;
        let len = if more == 0 { short } else { long.iter().fold(0, |len, byte| (len << 8) | usize::from(*byte)) };
        let payload = self.raw.exactly(len).await?.context("half a frame")?;
        match first {
            0x81 => Ok(Heard::Text(String::from_utf8(payload)?)),
            0x8A => Ok(Heard::Pong(payload)),
            0x88 => Ok(Heard::Close(payload.iter().fold(0, |code, byte| (code << 8) | u16::from(*byte)))),
            _ => bail!("a frame that begins with {first:#x}"),
        }
    }

    /// The next text message.
    ///
    /// # Errors
    /// When something else comes.
    pub async fn text(&mut self) -> Result<String> {
        match self.hear().await? {
            Heard::Text(text) => Ok(text),
            other => bail!("{other:?} in place of a text message"),
        }
    }

    /// Text messages up to one with `part` in it, which is handed out.
    ///
    /// # Errors
    /// When something else comes.
    pub async fn until(&mut self, part: &str) -> Result<String> {
        loop {
            let text = self.text().await?;
            if text.contains(part) {
                return Ok(text);
            }
        }
    }

    /// Opens a stream; hands out the features.
    ///
    /// # Errors
    /// When the server answers otherwise than RFC 7395 has it.
    pub async fn open(&mut self) -> Result<String> {
        self.say(&format!("<open xmlns='{FRAMING}' to='{}' version='1.0'/>", self.domain)).await?;
        let open = self.text().await?;
        ensure!(open.starts_with("<open ") && open.contains(FRAMING), "{open}");
        self.text().await
    }

    /// Logs in on a connection on which nothing was said; binding or resuming comes next.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn log_in(&mut self, localpart: &str, password: &str) -> Result<()> {
        self.open().await?;
        let proof = Proof::new(localpart, password)?;
        self.say(&proof.auth()).await?;
        let challenge = self.text().await?;
        self.say(&proof.response(&challenge)?).await?;
        let success = self.text().await?;
        ensure!(success.starts_with("<success"), "{success}");
        let features = self.open().await?;
        ensure!(features.contains("<bind"), "{features}");
        Ok(())
    }

    /// Binds a resource.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn bind(&mut self, resource: &str) -> Result<()> {
        self.say(&bind(resource)).await?;
        self.until("</jid>").await?;
        Ok(())
    }
}

/// A frame as a client sends it: its first byte, then length, mask and payload.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let mut frame = match (u16::try_from(len), len) {
        (_, ..126) => vec![first, 0x80 | u8::try_from(len).unwrap_or(0)],
        (Ok(len), _) => [vec![first, 0x80 | 126], len.to_be_bytes().to_vec()].concat(),
        (Err(_), len) => [vec![first, 0x80 | 127], (len as u64).to_be_bytes().to_vec()].concat(),
    };
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
