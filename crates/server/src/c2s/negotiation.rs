//! From the first byte to a session (RFC 6120 §4.3): STARTTLS, SASL, then binding or resumption.
//! The future of all this is dropped once there is a session.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::ns;
use xmpp::sasl::{ChannelBindings, Offer};
use xmpp::stanza::{IqType, Kind, Rejected, Stanza};
use xmpp::xml::{Element, Frame, StreamHeader};

use super::admission::Admitted;
use super::auth::{self, AuthError, Channel};
use super::wire::{Transport, Wire, WireError};
use super::{bind, features, listener, random_id, resume};
use crate::accounts::Account;
use crate::ext::register;
use crate::host::Host;
use crate::sessions::{Outbox, Session};
use crate::tls;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub ip: IpAddr,
}

/// A session with what waits for it.
pub(super) struct Established {
    pub(super) session: Arc<Session>,
    pub(super) outbox: Outbox,
    /// The session was here before: the client has handled this many of its stanzas (XEP-0198 §5).
    pub(super) resumed: Option<u32>,
}

/// Why there is no session.
pub(super) enum Abandoned {
    /// The stream broke or the other side closed it.
    Wire(WireError),
    /// The client closed the stream in good order.
    Closed,
    /// The client is told why.
    Error(StreamError),
}

impl From<WireError> for Abandoned {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<StreamError> for Abandoned {
    fn from(error: StreamError) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Abandoned {
    fn from(error: std::io::Error) -> Self {
        Self::Wire(error.into())
    }
}

/// Negotiates until there is a session.
pub(super) async fn negotiate(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    admitted: &mut Admitted,
) -> Result<Established, Abandoned> {
    let account = log_in(host, wire, peer).await?;
    admitted.is_known();
    tracing::info!(account = %account.jid, "logged in");
    wire.incoming.set_limits(listener::after_login(&host.config.limits));
    wire.incoming.restart();
    open_stream(host, wire).await?;
    wire.send(&features::after_login(&host.config.limits)).await?;
    establish(host, wire, peer, &account).await
}

/// Up to a successful SASL exchange.
async fn log_in(host: &Arc<Host>, wire: &mut Wire, peer: Peer) -> Result<Arc<Account>, Abandoned> {
    let mut failures = 0;
    let mut channel = channel_of(wire);
    let mut greeted = false;
    loop {
        if !std::mem::replace(&mut greeted, true) {
            open_stream(host, wire).await?;
            wire.send(&offer(host, wire, &channel)).await?;
        }
        let element = next_element(wire).await?;
        match (element.namespace(), element.name()) {
            (ns::TLS, "starttls") => {
                start_tls(host, wire).await?;
                channel = channel_of(wire);
                greeted = false;
            }
            (ns::SASL, "auth") => {
                match authenticate(host, wire, &channel, &element).await? {
                    Ok(account) => return Ok(account),
                    Err(failure) => wire.send(&auth::failure_xml(&failure)).await?,
                }
                failures += 1;
                if failures >= host.config.limits.auth_attempts_max {
                    return Err(StreamError::with_text("policy-violation", "too many failed log-ins").into());
                }
            }
            (ns::SASL, "abort") => {
                let aborted = xmpp::sasl::Failure::new(xmpp::sasl::Condition::Aborted, "the client gave up");
                wire.send(&auth::failure_xml(&aborted)).await?;
            }
            (ns::SM, "resume" | "enable") => wire.send(&resume::failed(Condition::UnexpectedRequest)).await?,
            (ns::CLIENT, "iq") => {
                let answer = before_login(host, wire, peer, element).await?;
                wire.send(&answer).await?;
            }
            (ns::CLIENT, "message" | "presence") => return Err(not_authorized().into()),
            _ => return Err(StreamError::new("unsupported-stanza-type").into()),
        }
    }
}

/// What the client may do on this stream before it has logged in.
fn offer(host: &Host, wire: &Wire, channel: &Channel) -> String {
    if !may_authenticate(host, wire) {
        return features::only_starttls(&host.config.limits);
    }
    let starttls = host.tls.is_some() && !is_encrypted(wire);
    features::before_login(&channel.offer, starttls, host.config.registration.in_band, &host.config.limits)
}

fn may_authenticate(host: &Host, wire: &Wire) -> bool {
    is_encrypted(wire) || host.config.c2s.allow_plaintext
}

fn is_encrypted(wire: &Wire) -> bool {
    matches!(wire.transport, Transport::Tls(..))
}

/// The mechanisms on offer and what they can be bound to.
fn channel_of(wire: &Wire) -> Channel {
    let bindings = match &wire.transport {
        Transport::Tls(stream, identity) => tls::channel_bindings(stream.get_ref().1, identity),
        _ => ChannelBindings::default(),
    };
    Channel { offer: Offer::of_server(&bindings, is_encrypted(wire)), bindings }
}

async fn authenticate(
    host: &Arc<Host>,
    wire: &mut Wire,
    channel: &Channel,
    element: &Element,
) -> Result<Result<Arc<Account>, xmpp::sasl::Failure>, Abandoned> {
    if !may_authenticate(host, wire) {
        let required = xmpp::sasl::Condition::EncryptionRequired;
        return Ok(Err(xmpp::sasl::Failure::new(required, "start TLS first")));
    }
    match auth::exchange(host, wire, channel, element).await {
        Ok(account) => Ok(Ok(account)),
        Err(AuthError::Refused(failure)) => {
            tracing::info!(%failure, "log-in refused");
            Ok(Err(failure))
        }
        Err(AuthError::Wire(error)) => Err(error.into()),
        Err(AuthError::Stream(error)) => Err(error.into()),
    }
}

/// RFC 6120 §5.4: from here on under TLS.
async fn start_tls(host: &Arc<Host>, wire: &mut Wire) -> Result<(), Abandoned> {
    let Some(tls) = host.tls.as_ref().filter(|_| !is_encrypted(wire)) else {
        wire.send(&Xml::new("failure", ns::TLS).to_string()).await?;
        return Err(Abandoned::Closed);
    };
    if wire.incoming.has_leftover() {
        return Err(StreamError::with_text("policy-violation", "nothing may follow starttls before the handshake").into());
    }
    wire.send(&Xml::new("proceed", ns::TLS).to_string()).await?;
    let Transport::Tcp(socket) = std::mem::replace(&mut wire.transport, Transport::Closed) else {
        return Err(Abandoned::Closed);
    };
    let identity = tls.current();
    let stream = TlsAcceptor::from(identity.starttls_config()).accept(socket).await?;
    wire.transport = Transport::Tls(Box::new(stream), identity);
    wire.incoming.restart();
    Ok(())
}

/// XEP-0077 §3.1: an account may be made before logging in, where the operator allows it. Nothing else is answered.
async fn before_login(host: &Arc<Host>, wire: &Wire, peer: Peer, element: Element) -> Result<String, Abandoned> {
    let stanza = match Stanza::parse(element) {
        Ok(stanza) => stanza,
        Err(Rejected::Faulty(stanza, error)) => return Ok(stanza.error_xml(&error).unwrap_or_default()),
        Err(Rejected::NotAStanza) => return Err(not_authorized().into()),
    };
    if stanza.has("query", ns::REGISTER) && may_authenticate(host, wire) {
        return Ok(register::before_login(host, peer.ip, &stanza).await);
    }
    Err(not_authorized().into())
}

fn not_authorized() -> StreamError {
    StreamError::with_text("not-authorized", "log in first")
}

/// After log-in: a resource is bound, or an old session resumed.
async fn establish(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    account: &Arc<Account>,
) -> Result<Established, Abandoned> {
    for _ in 0..host.config.limits.bind_max {
        let element = next_element(wire).await?;
        match (element.namespace(), element.name()) {
            (ns::SM, "resume") => match resume::resume(host, account, &element).await {
                Ok(established) => return Ok(established),
                Err(failed) => wire.send(&failed).await?,
            },
            // XEP-0198 §3: only after binding.
            (ns::SM, "enable") => wire.send(&resume::failed(Condition::UnexpectedRequest)).await?,
            (ns::CLIENT, "iq") => {
                if let Some(established) = bind_request(host, wire, peer, account, element).await? {
                    return Ok(established);
                }
            }
            // RFC 6120 §7.1: nothing else may be sent before a resource is bound.
            _ => return Err(StreamError::with_text("not-authorized", "bind a resource first").into()),
        }
    }
    Err(StreamError::with_text("policy-violation", "too many attempts to bind a resource").into())
}

async fn bind_request(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    account: &Arc<Account>,
    element: Element,
) -> Result<Option<Established>, Abandoned> {
    let stanza = match Stanza::parse(element) {
        Ok(stanza) => stanza,
        Err(Rejected::Faulty(stanza, error)) => return refuse(wire, &stanza, &error).await,
        Err(Rejected::NotAStanza) => return Err(not_authorized().into()),
    };
    let Some(request) = stanza.element.child("bind", ns::BIND).filter(|_| stanza.kind == Kind::Iq(IqType::Set)) else {
        return Err(StreamError::with_text("not-authorized", "bind a resource first").into());
    };
    match bind::bind(host, account, peer.ip, &request).await {
        Ok((session, outbox)) => {
            let answer = Xml::bare("iq").attr("type", "result").attr_opt("id", stanza.id.as_deref());
            wire.send(&answer.raw(&bind::bound_xml(&session)).to_string()).await?;
            Ok(Some(Established { session, outbox, resumed: None }))
        }
        Err(error) => refuse(wire, &stanza, &error).await,
    }
}

async fn refuse(wire: &mut Wire, stanza: &Stanza, error: &StanzaError) -> Result<Option<Established>, Abandoned> {
    wire.send(&stanza.error_xml(error).unwrap_or_default()).await?;
    Ok(None)
}

async fn next_element(wire: &mut Wire) -> Result<Element, Abandoned> {
    match wire.frame().await? {
        Frame::Element(element) => Ok(element),
        Frame::Close => Err(Abandoned::Closed),
        Frame::Open(_) => Err(StreamError::new("bad-format").into()),
    }
}

/// Reads the client's stream header and answers with the server's (RFC 6120 §4.2). What is wrong with it is said in a
/// stream of our own.
async fn open_stream(host: &Arc<Host>, wire: &mut Wire) -> Result<(), Abandoned> {
    let frame = wire.frame().await;
    let header = Xml::bare("stream:stream")
        .attr("from", host.domain.as_str())
        .attr("id", random_id())
        .attr("version", "1.0")
        .attr("xml:lang", "en")
        .attr("xmlns", ns::CLIENT)
        .attr("xmlns:stream", ns::STREAM)
        .to_string();
    let open = header.strip_suffix("/>").unwrap_or(&header);
    if !matches!(frame, Err(WireError::Lost(_))) {
        wire.send(&format!("<?xml version='1.0'?>{open}>")).await?;
    }
    match frame? {
        Frame::Open(header) => check_header(host, &header).map_err(Abandoned::Error),
        Frame::Element(_) | Frame::Close => Err(StreamError::new("bad-format").into()),
    }
}

/// RFC 6120 §4.7 and §4.8
fn check_header(host: &Host, header: &StreamHeader) -> Result<(), StreamError> {
    if header.namespace != ns::STREAM || header.name != "stream" || header.content_namespace != ns::CLIENT {
        return Err(StreamError::new("invalid-namespace"));
    }
    // RFC 6120 §4.7.5: major version 1; no version at all is 0.9.
    let major = header.version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major == 0) {
        return Err(StreamError::with_text("unsupported-version", "XMPP 1.0 is spoken here"));
    }
    match header.to.as_deref().map(jid::BareJid::new) {
        Some(Ok(to)) if to == host.domain => Ok(()),
        Some(_) => Err(StreamError::with_text("host-unknown", format!("this server is {}", host.domain))),
        None => Err(StreamError::with_text("improper-addressing", "the stream header needs 'to'")),
    }
}
