//! A small XMPP client for tests: connecting, binding (RFC 6120), and reading in order. Logging in
//! is in `login.rs`, stream management in `sm.rs`.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use minidom::Element;
use tokio::net::TcpStream;

use crate::pattern::{Captures, matches, parse_fragment, show};
use crate::scram::nonce;
use crate::sm::{self, StreamManagement};
use crate::wire::{Incoming, Transport, Wire};
use crate::{DEADLINE, tls};

pub(crate) const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: only for a server that allows plaintext.
    Plaintext,
    /// TLS begun on the stream (RFC 6120 §5).
    StartTls,
    /// TLS from the first byte (XEP-0368).
    DirectTls,
}

/// Where to connect and as whom.
#[derive(Clone, Debug)]
pub struct Login {
    /// The server's domain.
    pub domain: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// How the connection is protected.
    pub security: Security,
    /// The certificates to trust, in PEM; needed for TLS.
    pub ca: Option<PathBuf>,
    /// The account.
    pub localpart: String,
    /// Its password.
    pub password: String,
    /// The resource to ask for; `None` lets the server choose.
    pub resource: Option<String>,
    /// The address to come from; `None` lets the system choose.
    pub source: Option<IpAddr>,
}

/// A connected client; dropping it cuts the connection without closing the stream.
pub struct Client {
    pub(crate) wire: Wire,
    pub(crate) login: Login,
    pub(crate) jid: String,
    pub(crate) sm: StreamManagement,
    features: Element,
    pub(crate) inbox: VecDeque<Element>,
    ended: bool,
    round_trips: u32,
}

impl Client {
    /// Connects, opens a stream (after TLS, if asked for) and reads the features.
    ///
    /// # Errors
    /// When any of it fails or takes too long.
    pub async fn open(login: Login) -> Result<Self> {
        tokio::time::timeout(DEADLINE, Self::open_unbounded(login))
            .await
            .context("the server does not open a stream")?
    }

    async fn open_unbounded(login: Login) -> Result<Self> {
        let mut client = Self::dial(login).await?;
        client.open_stream().await?;
        if client.login.security == Security::StartTls {
            client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
            let answer = client.recv().await?;
            ensure!(answer.is("proceed", TLS), "no <proceed/> but {}", show(&answer));
            let tls = handshake(client.wire.into_tcp()?, &client.login, None).await?;
            client.wire = Wire::new(Transport::Tls(Box::new(tls)));
            client.open_stream().await?;
        }
        Ok(client)
    }

    /// Connects, and shakes hands where TLS comes first; no stream is opened yet.
    pub(crate) async fn dial(login: Login) -> Result<Self> {
        let tcp = crate::raw::dial(login.address, login.source, None).await?;
        let transport = match login.security {
            Security::DirectTls => Transport::Tls(Box::new(handshake(tcp, &login, Some("xmpp-client")).await?)),
            Security::Plaintext | Security::StartTls => Transport::Tcp(tcp),
        };
        Ok(Self {
            wire: Wire::new(transport),
            jid: format!("{}@{}", login.localpart, login.domain),
            features: Element::bare("features", STREAMS),
            inbox: VecDeque::new(),
            ended: false,
            round_trips: 0,
            sm: StreamManagement::default(),
            login,
        })
    }

    /// Opens (or, after SASL, reopens) the stream and reads the features.
    pub(crate) async fn open_stream(&mut self) -> Result<()> {
        let Login { domain, localpart, .. } = &self.login;
        // RFC 6120 §4.7.1: who it is, once nobody else can hear.
        let from = if self.wire.is_encrypted() { format!("from='{localpart}@{domain}' ") } else { String::new() };
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' {from}to='{domain}' \
             version='1.0'>"
        );
        self.wire.send(&header).await?;
        self.stream_opened().await
    }

    /// Reads the server's stream header and its features.
    pub(crate) async fn stream_opened(&mut self) -> Result<()> {
        match self.incoming().await? {
            Incoming::Open(header) => ensure!(header.is("stream", STREAMS), "no stream header but {}", show(&header)),
            other => bail!("no stream header but {other:?}"),
        }
        let features = self.recv().await?;
        ensure!(features.is("features", STREAMS), "no features but {}", show(&features));
        self.features = features;
        Ok(())
    }

    /// Binds the resource of the login.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn bind(&mut self) -> Result<()> {
        let resource =
            self.login.resource.as_ref().map(|name| format!("<resource>{name}</resource>")).unwrap_or_default();
        let reply = self.iq(&format!("<iq type='set'><bind xmlns='{BIND}'>{resource}</bind></iq>")).await?;
        let jid = reply.get_child("bind", BIND).and_then(|bind| bind.get_child("jid", BIND)).map(Element::text);
        self.jid = jid.with_context(|| format!("not bound: {}", show(&reply)))?;
        Ok(())
    }

    /// Opens, authenticates and binds.
    ///
    /// # Errors
    /// When any of the three fails.
    pub async fn connect(login: Login) -> Result<Self> {
        let mut client = Self::open(login).await?;
        client.authenticate().await?;
        client.bind().await?;
        Ok(client)
    }

    /// Does what a client does first: asks for the roster, sends presence, and sees it come back.
    /// What arrives besides stays to be received.
    ///
    /// # Errors
    /// When an answer does not come.
    pub async fn come_online(&mut self) -> Result<()> {
        self.iq("<iq type='get'><query xmlns='jabber:iq:roster'/></iq>").await?;
        self.send("<presence/>").await?;
        let jid = self.jid.clone();
        self.until(|stanza| {
            stanza.name() == "presence" && stanza.attr("from") == Some(&jid) && stanza.attr("type").is_none()
        })
        .await?;
        // All that follows from being available has been done when the next request is answered.
        self.round_trip().await
    }

    /// The full JID, once bound.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Whether a resource is bound, so that stanzas may be sent.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        !self.ended && self.jid.contains('/')
    }

    /// The bare JID.
    #[must_use]
    pub fn bare(&self) -> &str {
        self.jid.split('/').next().unwrap_or_default()
    }

    /// What the server offered last.
    #[must_use]
    pub fn features(&self) -> &Element {
        &self.features
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, xml: &str) -> Result<()> {
        self.wire.send(xml).await
    }

    /// Sends a chat message with an id of its own; returns the id.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn say(&mut self, to: &str, body: &str) -> Result<String> {
        let id = nonce()?;
        let mut message = Element::bare("message", "jabber:client");
        crate::pattern::set(&mut message, "to", to)?;
        crate::pattern::set(&mut message, "type", "chat")?;
        crate::pattern::set(&mut message, "id", &id)?;
        message.append_child(Element::builder("body", "jabber:client").append(body).build());
        self.send(&show(&message)).await?;
        Ok(id)
    }

    /// The next element, passing over what servers may send at will: stream management's `<r/>` and
    /// `<a/>`, and the absence of an account (RFC 6121 §4.3.2).
    ///
    /// # Errors
    /// When nothing comes within the deadline, or the stream ended.
    pub async fn recv(&mut self) -> Result<Element> {
        loop {
            let element = self.recv_any().await?;
            if !sm::is_optional(&element) {
                return Ok(element);
            }
        }
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// As [`Client::recv`].
    pub async fn recv_any(&mut self) -> Result<Element> {
        if let Some(element) = self.inbox.pop_front() {
            return Ok(element);
        }
        self.recv_fresh().await
    }

    async fn recv_fresh(&mut self) -> Result<Element> {
        match self.incoming().await? {
            Incoming::Element(element) => {
                self.sm.saw(&element);
                Ok(element)
            }
            Incoming::Open(header) => bail!("a second stream header: {}", show(&header)),
            Incoming::Close | Incoming::End => bail!("the server closed the stream of {}", self.jid),
        }
    }

    async fn incoming(&mut self) -> Result<Incoming> {
        if self.ended {
            return Ok(Incoming::End);
        }
        let waiting = tokio::time::timeout(DEADLINE, self.wire.next()).await;
        let incoming = waiting.with_context(|| format!("nothing arrives for {}", self.jid))??;
        self.ended = matches!(incoming, Incoming::Close | Incoming::End);
        Ok(incoming)
    }

    /// Reads until an element fits, and hands that one out; the others stay to be received.
    ///
    /// # Errors
    /// As [`Client::recv`].
    pub async fn until(&mut self, fits: impl Fn(&Element) -> bool) -> Result<Element> {
        if let Some(found) = self.inbox.iter().position(&fits)
            && let Some(element) = self.inbox.remove(found)
        {
            return Ok(element);
        }
        loop {
            let element = self.recv_fresh().await?;
            if fits(&element) {
                return Ok(element);
            }
            self.inbox.push_back(element);
        }
    }

    /// The next message with a body.
    ///
    /// # Errors
    /// As [`Client::recv`].
    pub async fn message(&mut self) -> Result<Element> {
        self.until(|stanza| stanza.name() == "message" && stanza.children().any(|child| child.name() == "body")).await
    }

    /// Sends an IQ request and waits for its answer; an id is added when it has none.
    ///
    /// # Errors
    /// When the request is not XML or no answer comes.
    pub async fn iq(&mut self, xml: &str) -> Result<Element> {
        let mut request = parse_fragment(xml, "jabber:client")?;
        if request.attr("id").is_none() {
            crate::pattern::set(&mut request, "id", &nonce()?)?;
        }
        let id = request.attr("id").unwrap_or_default().to_owned();
        self.send(&show(&request)).await?;
        self.until(|stanza| {
            stanza.name() == "iq"
                && stanza.attr("id") == Some(&id)
                && matches!(stanza.attr("type"), Some("result" | "error"))
        })
        .await
    }

    /// Waits until the server has answered a ping (XEP-0199): all it sent before has arrived then.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn round_trip(&mut self) -> Result<()> {
        self.round_trips += 1;
        let id = format!("round-trip-{}", self.round_trips);
        let ping = format!("<iq type='get' id='{id}' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>", self.login.domain);
        self.send(&ping).await?;
        self.until(|stanza| stanza.name() == "iq" && stanza.attr("id") == Some(&id)).await?;
        Ok(())
    }

    /// Everything that has arrived, proved complete by a round trip.
    ///
    /// # Errors
    /// When the round trip fails.
    pub async fn arrived(&mut self) -> Result<Vec<Element>> {
        self.round_trip().await?;
        Ok(self.inbox.drain(..).filter(|element| !sm::is_optional(element)).collect())
    }

    /// Fails if anything has arrived that was not received yet.
    ///
    /// # Errors
    /// With what arrived.
    pub async fn expect_nothing(&mut self) -> Result<()> {
        let arrived = self.arrived().await?;
        ensure!(
            arrived.is_empty(),
            "{} received {}",
            self.jid,
            arrived.iter().map(show).collect::<Vec<_>>().join("\n")
        );
        Ok(())
    }

    /// The next element must fit a pattern (see the scenarios' README); returns what it captured.
    ///
    /// # Errors
    /// When it does not, with both.
    pub async fn expect(&mut self, pattern: &str) -> Result<Captures> {
        let pattern = parse_fragment(pattern, "jabber:client")?;
        let mut captures = Captures::default();
        let element = self.recv().await?;
        matches(&pattern, &element, &mut captures, &self.jid)
            .map_err(|why| anyhow::anyhow!("{why}\nexpected {}\nreceived {}", show(&pattern), show(&element)))?;
        Ok(captures)
    }

    /// Waits for the server to end the stream; what came before is handed out.
    ///
    /// # Errors
    /// When it does not end within the deadline.
    pub async fn ended(&mut self) -> Result<Vec<Element>> {
        let mut before: Vec<Element> = self.inbox.drain(..).collect();
        loop {
            match self.incoming().await? {
                Incoming::Element(element) => before.push(element),
                Incoming::Open(_) => {}
                Incoming::Close | Incoming::End => return Ok(before),
            }
        }
    }

    /// Closes the stream politely and waits until the server has closed it too.
    ///
    /// # Errors
    /// When the server does not close its side.
    pub async fn close(mut self) -> Result<()> {
        if !self.ended {
            self.send("</stream:stream>").await?;
            self.ended().await?;
        }
        Ok(())
    }
}

async fn handshake(
    tcp: TcpStream,
    login: &Login,
    alpn: Option<&str>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let ca = login.ca.as_deref().context("TLS needs the server's certificate")?;
    tls::connect(tcp, &login.domain, ca, alpn).await
}
