//! From the first byte to a session (RFC 6120 §4.3): STARTTLS, SASL, then binding or resumption; or all that follows
//! STARTTLS in one request (XEP-0388). The future of all this is dropped once there is a session.

use std::net::IpAddr;
use std::sync::Arc;

use storage::DeviceId;
use tokio_rustls::TlsAcceptor;
use xmpp::build::Xml;
use xmpp::error::{Condition, StreamError};
use xmpp::ns;
use xmpp::sasl::{ChannelBindings, Offer};
use xmpp::stanza::{Rejected, Stanza};
use xmpp::xml::{Element, Frame};

use super::admission::Admitted;
use super::auth::{self, AuthError, Channel};
use super::stream_header::open_stream;
use super::wire::{Transport, Wire, WireError};
use super::{establish, features, listener, resume, sasl2};
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

/// A session with what waits for it; what tells the client of a new one is in the outbox's batch.
pub(super) struct Established {
    pub(super) session: Arc<Session>,
    pub(super) outbox: Outbox,
    /// The session was here before.
    pub(super) resumed: Option<Resumption>,
}

/// How a session goes on (XEP-0198 §5).
pub(super) struct Resumption {
    /// The client has handled this many of its stanzas.
    pub(super) h: u32,
    /// What `<resumed/>` is to be said in (XEP-0388 §2.6.1); None: by itself.
    pub(super) success: Option<Xml>,
}

/// Who has logged in.
pub(super) struct LoggedIn {
    pub(super) account: Arc<Account>,
    /// The device, when the client named it (XEP-0388).
    pub(super) device: Option<DeviceId>,
}

/// A log-in by one of the two profiles of SASL.
enum Proven {
    /// RFC 6120 §6: the stream begins anew.
    Restart(LoggedIn),
    /// XEP-0388: the stream goes on, and the client is still to be told so.
    GoOn(Box<sasl2::Proven>),
}

/// What was said when the stream was opened.
pub(super) struct Greeting {
    /// Who the client says it is.
    pub(super) from: Option<String>,
    /// Names the features it was shown (XEP-0509).
    pub(super) version: String,
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
    let proven = log_in(host, wire, peer).await?;
    admitted.is_known();
    wire.set_limits(listener::after_login(&host.config.limits));
    let logged_in = match proven {
        Proven::Restart(logged_in) => {
            tracing::info!(account = %logged_in.account.jid, "logged in");
            wire.restart();
            open_stream(host, wire).await?;
            wire.send(&features::after_login(&host.config.limits)).await?;
            logged_in
        }
        Proven::GoOn(proven) => match sasl2::succeed(host, wire, peer, *proven).await? {
            sasl2::Outcome::Established(established) => return Ok(*established),
            sasl2::Outcome::Unbound(logged_in) => logged_in,
        },
    };
    establish::establish(host, wire, peer, &logged_in).await
}

/// Up to a successful SASL exchange.
async fn log_in(host: &Arc<Host>, wire: &mut Wire, peer: Peer) -> Result<Proven, Abandoned> {
    let mut failures = 0;
    loop {
        let mut channel = channel_of(wire, peer);
        let from = open_stream(host, wire).await?;
        if let Some(hash) = auth::hash_without_keys(host, from.as_deref()).await {
            channel.offer = channel.offer.without(hash);
        }
        let (features, version) = offer(host, wire, &channel);
        wire.send(&features).await?;
        let greeting = Greeting { from, version };
        if let Some(proven) = log_in_on(host, wire, peer, (&channel, &greeting), &mut failures).await? {
            return Ok(proven);
        }
    }
}

/// Up to a successful SASL exchange, or until TLS begins: then None.
async fn log_in_on(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    (channel, greeting): (&Channel, &Greeting),
    failures: &mut u32,
) -> Result<Option<Proven>, Abandoned> {
    loop {
        let element = next_element(wire).await?;
        match (element.namespace(), element.name()) {
            (ns::TLS, "starttls") => {
                start_tls(host, wire).await?;
                return Ok(None);
            }
            (ns::SASL, "auth") => {
                let may = may_authenticate(host, wire);
                match allowed(may, auth::exchange(host, wire, channel, &element)).await? {
                    Ok(account) => return Ok(Some(Proven::Restart(LoggedIn { account, device: None }))),
                    Err(failure) => wire.send(&auth::failure_xml(&failure)).await?,
                }
                count_failure(host, failures)?;
            }
            (ns::SASL2, "authenticate") if sasl2::is_outdated(&element, greeting) => {
                // XEP-0509: without prejudice.
                wire.send(&sasl2::outdated_xml()).await?;
            }
            (ns::SASL2, "authenticate") => {
                let may = may_authenticate(host, wire);
                match allowed(may, sasl2::prove(host, wire, channel, greeting, &element)).await? {
                    Ok(proven) => return Ok(Some(Proven::GoOn(Box::new(proven)))),
                    Err(failure) => wire.send(&sasl2::failure_xml(&failure)).await?,
                }
                count_failure(host, failures)?;
            }
            (ns::SASL, "abort") => {
                let aborted = xmpp::sasl::Failure::new(xmpp::sasl::Condition::Aborted, "the client gave up");
                wire.send(&auth::failure_xml(&aborted)).await?;
            }
            (ns::SM, "resume" | "enable") => wire.send(&resume::failed(Condition::UnexpectedRequest)).await?,
            (ns::CLIENT, "iq") => {
                let answer = before_login(host, may_authenticate(host, wire), peer, element).await?;
                wire.send(&answer).await?;
            }
            (ns::CLIENT, "message" | "presence") => return Err(not_authorized().into()),
            _ => return Err(StreamError::new("unsupported-stanza-type").into()),
        }
    }
}

fn count_failure(host: &Host, failures: &mut u32) -> Result<(), Abandoned> {
    *failures += 1;
    if *failures >= host.config.limits.auth_attempts_max {
        return Err(StreamError::with_text("policy-violation", "too many failed log-ins").into());
    }
    Ok(())
}

/// What the client may do on this stream before it has logged in, and the name of that offer.
fn offer(host: &Host, wire: &Wire, channel: &Channel) -> (String, String) {
    if !may_authenticate(host, wire) {
        return (features::only_starttls(&host.config.limits), String::new());
    }
    let starttls = host.tls.is_some() && can_start_tls(wire);
    features::before_login(channel, starttls, host.config.registration.in_band, &host.config.limits)
}

fn may_authenticate(host: &Host, wire: &Wire) -> bool {
    is_encrypted(wire) || host.config.c2s.allow_plaintext
}

fn is_encrypted(wire: &Wire) -> bool {
    match &wire.transport {
        Transport::Tls(..) => true,
        Transport::Framed(framed) => framed.is_encrypted,
        _ => false,
    }
}

fn can_start_tls(wire: &Wire) -> bool {
    matches!(wire.transport, Transport::Tcp(_))
}

/// The mechanisms on offer and what they can be bound to.
fn channel_of(wire: &Wire, peer: Peer) -> Channel {
    let bindings = match &wire.transport {
        Transport::Tls(stream, identity) => tls::channel_bindings(stream.get_ref().1, identity),
        Transport::Framed(framed) => framed.bindings.as_ref().clone(),
        _ => ChannelBindings::default(),
    };
    Channel { ip: peer.ip, offer: Offer::of_server(&bindings, is_encrypted(wire)), bindings }
}

/// Runs an exchange where it may be run; a refusal is for the client.
async fn allowed<T>(
    may_authenticate: bool,
    exchange: impl Future<Output = Result<T, AuthError>>,
) -> Result<Result<T, xmpp::sasl::Failure>, Abandoned> {
    if !may_authenticate {
        let required = xmpp::sasl::Condition::EncryptionRequired;
        return Ok(Err(xmpp::sasl::Failure::new(required, "start TLS first")));
    }
    match exchange.await {
        Ok(done) => Ok(Ok(done)),
        // Said once already, not for each attempt.
        Err(AuthError::Refused(failure)) if failure == auth::TOO_MANY => Ok(Err(failure)),
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
    let Some(tls) = host.tls.as_ref().filter(|_| can_start_tls(wire)) else {
        wire.send(&Xml::new("failure", ns::TLS).to_string()).await?;
        return Err(Abandoned::Closed);
    };
    if wire.incoming.has_leftover() {
        return Err(
            StreamError::with_text("policy-violation", "nothing may follow starttls before the handshake").into()
        );
    }
    wire.send(&Xml::new("proceed", ns::TLS).to_string()).await?;
    let Transport::Tcp(socket) = std::mem::replace(&mut wire.transport, Transport::Closed) else {
        return Err(Abandoned::Closed);
    };
    let identity = tls.current();
    let stream = TlsAcceptor::from(identity.starttls_config()).accept(socket).await?;
    wire.transport = Transport::Tls(Box::new(stream), identity);
    wire.restart();
    Ok(())
}

/// XEP-0077 §3.1: an account may be made before logging in, where the operator allows it. Nothing else is answered.
async fn before_login(host: &Arc<Host>, may: bool, peer: Peer, element: Element) -> Result<String, Abandoned> {
    let stanza = match Stanza::parse(element) {
        Ok(stanza) => stanza,
        Err(Rejected::Faulty(stanza, error)) => return Ok(stanza.error_xml(&error).unwrap_or_default()),
        Err(Rejected::NotAStanza) => return Err(not_authorized().into()),
    };
    if stanza.has("query", ns::REGISTER) && may {
        return Ok(register::before_login(host, peer.ip, &stanza).await);
    }
    Err(not_authorized().into())
}

pub(super) fn not_authorized() -> StreamError {
    StreamError::with_text("not-authorized", "log in first")
}

pub(super) async fn next_element(wire: &mut Wire) -> Result<Element, Abandoned> {
    match wire.frame().await? {
        Frame::Element(element) => Ok(element),
        Frame::Close => Err(Abandoned::Closed),
        Frame::Open(_) => Err(StreamError::new("bad-format").into()),
    }
}
