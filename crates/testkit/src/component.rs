//! An external component for tests (XEP-0114).

use std::collections::VecDeque;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;
use minidom::Element;
use tokio::net::TcpStream;

use crate::DEADLINE;
use crate::client::STREAMS;
use crate::pattern::show;
use crate::wire::{Incoming, Transport, Wire};

/// The namespace of a component's stream.
pub const ACCEPT: &str = "jabber:component:accept";

/// A connected component; dropping it cuts the connection.
pub struct Component {
    wire: Wire,
    jid: String,
    inbox: VecDeque<Element>,
}

impl Component {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(address: SocketAddr, jid: &str, secret: &str) -> Result<Self> {
        let (component, answer) = Self::attempt(address, jid, secret).await?;
        match answer {
            Some(element) if element.is("handshake", ACCEPT) => Ok(component),
            Some(element) => bail!("{jid} cannot connect: {}", show(&element)),
            None => bail!("the server closed the stream of {jid}"),
        }
    }

    /// Connects, sends the handshake and hands out what the server answers: `<handshake/>`, a stream
    /// error, or the end.
    ///
    /// # Errors
    /// When the connection fails before that.
    pub async fn attempt(address: SocketAddr, jid: &str, secret: &str) -> Result<(Self, Option<Element>)> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let mut component = Self { wire: Wire::new(Transport::Tcp(tcp)), jid: jid.to_owned(), inbox: VecDeque::new() };
        let header =
            format!("<?xml version='1.0'?><stream:stream xmlns='{ACCEPT}' xmlns:stream='{STREAMS}' to='{jid}'>");
        component.wire.send(&header).await?;
        let Incoming::Open(header) = component.incoming().await? else { bail!("no stream header") };
        // An unknown name may be refused before any secret is asked for; then that is the answer.
        let Some(id) = header.attr("id").filter(|id| !id.is_empty()) else {
            let answer = component.next().await?;
            return Ok((component, answer));
        };
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{id}{secret}").as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        component.wire.send(&format!("<handshake>{hash}</handshake>")).await?;
        let answer = component.next().await?;
        Ok((component, answer))
    }

    /// Its domain.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, xml: &str) -> Result<()> {
        self.wire.send(xml).await
    }

    /// The next element, or `None` when the server ended the stream.
    ///
    /// # Errors
    /// When nothing comes within the deadline.
    pub async fn next(&mut self) -> Result<Option<Element>> {
        match self.inbox.pop_front() {
            Some(element) => Ok(Some(element)),
            None => self.next_fresh().await,
        }
    }

    async fn next_fresh(&mut self) -> Result<Option<Element>> {
        match self.incoming().await? {
            Incoming::Element(element) => Ok(Some(element)),
            Incoming::Open(_) => bail!("a second stream header"),
            Incoming::Close | Incoming::End => Ok(None),
        }
    }

    /// The next element.
    ///
    /// # Errors
    /// When nothing comes, or the stream ended.
    pub async fn recv(&mut self) -> Result<Element> {
        self.next().await?.with_context(|| format!("the server closed the stream of {}", self.jid))
    }

    /// Waits until `domain` has answered a ping: the server has handled all that was sent before, and
    /// all it had sent has arrived.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn round_trip(&mut self, domain: &str) -> Result<()> {
        let id = crate::scram::nonce()?;
        let jid = &self.jid;
        let ping = format!("<iq type='get' id='{id}' from='{jid}' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>");
        self.send(&ping).await?;
        loop {
            let element =
                self.next_fresh().await?.with_context(|| format!("the server closed the stream of {}", self.jid))?;
            if element.attr("id") == Some(&id) {
                return Ok(());
            }
            self.inbox.push_back(element);
        }
    }

    /// Everything that has arrived, proved complete by a round trip.
    ///
    /// # Errors
    /// When the round trip fails.
    pub async fn arrived(&mut self, domain: &str) -> Result<Vec<Element>> {
        self.round_trip(domain).await?;
        Ok(self.inbox.drain(..).collect())
    }

    async fn incoming(&mut self) -> Result<Incoming> {
        let waiting = tokio::time::timeout(DEADLINE, self.wire.next()).await;
        waiting.with_context(|| format!("nothing arrives for {}", self.jid))?
    }
}
