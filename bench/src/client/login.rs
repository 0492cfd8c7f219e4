//! From a connection to a session: SASL (RFC 6120 §6), binding (§7), stream management (XEP-0198), presence.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::timeout;
use xmpp::ns;
use xmpp::sasl::payload;
use xmpp::xml::Element;

use super::account::{Account, DOMAIN};
use super::scram::{self, Exchange};
use super::wire::{Target, Wire};

/// How long one log-in may take, in a storm of thousands too.
const DEADLINE: Duration = Duration::from_secs(120);
/// The one resource of an account.
const RESOURCE: &str = "bench";

/// What a session does after it is bound.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// Where to.
    pub target: Target,
    /// With stream management, to be resumed.
    pub sm: bool,
}

/// What a lost session is resumed with.
#[derive(Clone, Debug)]
pub struct Ticket {
    id: String,
    handled: u32,
}

/// A bound resource that is online.
pub struct Session {
    wire: Wire,
    sm: Option<Ticket>,
    /// Stanzas sent since stream management was on.
    sent: u32,
}

impl Session {
    /// Logs in and comes online: returns when the server has sent the client's own presence back.
    pub async fn online(login: Login, account: &Account) -> Result<Self> {
        let online = async { Self::come_online(Wire::connect(login.target).await?, login.sm, account).await };
        timeout(DEADLINE, online).await.context("the log-in takes too long")?
    }

    /// The same on a connection that is there already, with stream management.
    pub async fn online_over(wire: Wire, account: &Account) -> Result<Self> {
        timeout(DEADLINE, Self::come_online(wire, true, account)).await.context("the log-in takes too long")?
    }

    /// A session whose server is only played: what a client holds in memory, and nothing more.
    pub fn played(wire: Wire, id: String) -> Self {
        Self { wire, sm: Some(Ticket { id, handled: 0 }), sent: 0 }
    }

    async fn come_online(wire: Wire, sm: bool, account: &Account) -> Result<Self> {
        let mut session = Self::bound(wire, account).await?;
        if sm {
            session.wire.push(&format!("<enable xmlns='{}' resume='true'/>", ns::SM));
            let enabled = session.expect("enabled").await?;
            let id = enabled.attr("id").context("the session cannot be resumed")?.into_owned();
            session.sm = Some(Ticket { id, handled: 0 });
        }
        session.stanza("<presence/>");
        let own = format!("{}@{DOMAIN}/{RESOURCE}", account.name);
        loop {
            let stanza = session.next().await?;
            if stanza.name() == "presence" && stanza.attr("from").as_deref() == Some(own.as_str()) {
                return Ok(session);
            }
            if stanza.name() == "message" {
                bail!("a message before the own presence");
            }
        }
    }

    async fn bound(wire: Wire, account: &Account) -> Result<Self> {
        let mut session = Self { wire: authenticate(wire, account).await?, sm: None, sent: 0 };
        session.wire.push(&format!(
            "<iq type='set' id='bind'><bind xmlns='{}'><resource>{RESOURCE}</resource></bind></iq>",
            ns::BIND
        ));
        session.answer("bind").await?;
        Ok(session)
    }

    /// As [`Session::online`] where messages are waiting: returns right after the presence was sent.
    pub async fn coming_online(login: Login, account: &Account) -> Result<Self> {
        let bound = async { Self::bound(Wire::connect(login.target).await?, account).await };
        let mut session = timeout(DEADLINE, bound).await.context("the log-in takes too long")??;
        session.stanza("<presence/>");
        session.wire.flush().await?;
        Ok(session)
    }

    /// Logs in and takes up the session that was lost.
    pub async fn resumed(login: Login, account: &Account, ticket: Ticket) -> Result<Self> {
        let resume = async {
            let wire = authenticate(Wire::connect(login.target).await?, account).await?;
            let mut session = Self { wire, sm: None, sent: 0 };
            session.wire.push(&format!("<resume xmlns='{}' previd='{}' h='{}'/>", ns::SM, ticket.id, ticket.handled));
            session.expect("resumed").await?;
            session.sm = Some(ticket);
            Ok(session)
        };
        timeout(DEADLINE, resume).await.context("the resumption takes too long")?
    }

    /// Loses the connection without a word; `None` without stream management.
    pub fn lose(self) -> Option<Ticket> {
        self.sm
    }

    /// Ends the session in an orderly way.
    pub async fn close(self) -> Result<()> {
        timeout(DEADLINE, self.wire.close()).await.context("the stream does not end")?
    }

    /// Writes a stanza with the next flush.
    pub fn stanza(&mut self, xml: &str) {
        self.sent = self.sent.wrapping_add(1);
        self.wire.push(xml);
    }

    /// Writes what is waiting.
    pub async fn flush(&mut self) -> Result<()> {
        Ok(self.wire.flush().await?)
    }

    /// The next stanza. Questions of the server are answered on the way; cancelling loses nothing.
    pub async fn next(&mut self) -> Result<Element> {
        loop {
            let element = self.wire.element().await?.context("the server ended the stream")?;
            if element.is("r", ns::SM) {
                let handled = self.sm.as_ref().map_or(0, |sm| sm.handled);
                self.wire.push(&format!("<a xmlns='{}' h='{handled}'/>", ns::SM));
                continue;
            }
            let is_stanza = matches!(element.name(), "message" | "presence" | "iq");
            if let Some(sm) = self.sm.as_mut().filter(|_| is_stanza) {
                sm.handled = sm.handled.wrapping_add(1);
            }
            if element.name() == "iq" && element.attr("type").as_deref() == Some("get") {
                let (id, from) = (element.attr("id").unwrap_or_default(), element.attr("from").unwrap_or_default());
                let answer = format!("<iq type='result' id='{id}' to='{from}'/>");
                self.stanza(&answer);
                continue;
            }
            if is_stanza || element.is("a", ns::SM) || self.sm.is_none() {
                return Ok(element);
            }
        }
    }

    /// Asks whether the server has handled all that was sent, and waits until it says so.
    pub async fn acknowledged(&mut self) -> Result<()> {
        self.wire.push(&format!("<r xmlns='{}'/>", ns::SM));
        loop {
            let element = self.next().await?;
            if element.name() == "message" {
                bail!("a message where none was expected: {}", String::from_utf8_lossy(element.bytes()));
            }
            if element.is("a", ns::SM) && element.attr("h").as_deref() == Some(self.sent.to_string().as_str()) {
                return Ok(());
            }
        }
    }

    /// Gives buffers back until something happens.
    pub fn rest(&mut self) {
        self.wire.rest();
    }

    /// The result of the request with this id; other stanzas are skipped.
    pub async fn answer(&mut self, id: &str) -> Result<Element> {
        loop {
            let element = self.next().await?;
            if element.name() == "iq" && element.attr("id").as_deref() == Some(id) {
                let is_result = element.attr("type").as_deref() == Some("result");
                return if is_result { Ok(element) } else { bail!("{}", String::from_utf8_lossy(element.bytes())) };
            }
        }
    }

    async fn expect(&mut self, name: &str) -> Result<Element> {
        let element = self.wire.element().await?.context("closed")?;
        if element.is(name, ns::SM) {
            Ok(element)
        } else {
            bail!("no {name}: {}", String::from_utf8_lossy(element.bytes()))
        }
    }
}

/// A connection that has authenticated and opened its second stream.
async fn authenticate(mut wire: Wire, account: &Account) -> Result<Wire> {
    wire.open().await?;
    let (exchange, first) = Exchange::begin(&account.name);
    wire.push(&format!(
        "<auth xmlns='{}' mechanism='{}'>{}</auth>",
        ns::SASL,
        scram::MECHANISM,
        payload::encode(&first)
    ));
    let challenge = sasl(&mut wire, "challenge").await?;
    let (answer, signature) = exchange.respond(&challenge, &account.password, &account.keys)?;
    wire.push(&format!("<response xmlns='{}'>{}</response>", ns::SASL, payload::encode(&answer)));
    scram::check(&sasl(&mut wire, "success").await?, &signature)?;
    wire.open().await?;
    Ok(wire)
}

async fn sasl(wire: &mut Wire, name: &str) -> Result<Vec<u8>> {
    let element = wire.element().await?.context("closed during the log-in")?;
    if !element.is(name, ns::SASL) {
        bail!("no {name}: {}", String::from_utf8_lossy(element.bytes()));
    }
    Ok(payload::decode(element.text().unwrap_or_default().trim())?)
}
