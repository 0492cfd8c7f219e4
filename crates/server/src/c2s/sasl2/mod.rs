//! XEP-0388: logging in, and in the same request resuming a session (XEP-0198) or binding a resource (XEP-0386), with
//! a password or with a token (XEP-0484). The stream is not restarted.

mod bind2;
mod fast;
mod request;

use std::sync::Arc;

use jid::BareJid;
use storage::DeviceId;
use xmpp::build::Xml;
use xmpp::error::StreamError;
use xmpp::ns;
use xmpp::sasl::{Condition, Failure, TokenMechanism, UserAgent, payload};
use xmpp::xml::Element;

use super::auth::{self, AuthError, Channel, Profile};
use super::features;
use super::negotiation::{Abandoned, Established, Greeting, LoggedIn, Peer, Resumption};
use super::resume;
use super::wire::{Wire, WireError};
use crate::accounts::Account;
use crate::devices;
use crate::host::Host;

use request::Request;

/// The client is who it says; what it asked for besides is still to be done.
pub(super) struct Proven {
    logged_in: LoggedIn,
    request: Request,
    /// Proves the server to the client; empty for nothing.
    proof: Vec<u8>,
    /// The mechanism of the token that the client is to be given.
    gets_token: Option<TokenMechanism>,
}

/// What a successful request ends in.
pub(super) enum Outcome {
    /// A session.
    Established(Box<Established>),
    /// The client was told, and goes on to bind a resource as RFC 6120 §7 has it.
    Unbound(LoggedIn),
}

/// Whether the client sent its request knowing other features than these (XEP-0509 §2.2).
pub(super) fn is_outdated(authenticate: &Element, greeting: &Greeting) -> bool {
    let known = authenticate.child("config-version", ns::PIPELINING);
    known.is_some_and(|known| known.attr("value").is_none_or(|value| value != greeting.version))
}

/// Tells the client so.
pub(super) fn outdated_xml() -> String {
    failure(Condition::Aborted, "the features have changed")
        .child(Xml::new("config-version-mismatch", ns::PIPELINING))
        .to_string()
}

/// The `<failure/>` for the client (XEP-0388 §2.6.2).
pub(super) fn failure_xml(refused: &Failure) -> String {
    failure(refused.condition, refused.reason).to_string()
}

fn failure(condition: Condition, reason: &str) -> Xml {
    Xml::new("failure", ns::SASL2)
        .child(Xml::new(condition.name(), ns::SASL))
        .child(Xml::bare("text").attr("xml:lang", "en").text(reason))
}

/// Runs the exchange that `<authenticate/>` begins, up to its success.
pub(super) async fn prove(
    host: &Arc<Host>,
    wire: &mut Wire,
    channel: &Channel,
    greeting: &Greeting,
    authenticate: &Element,
) -> Result<Proven, AuthError> {
    let tree = authenticate.to_dom().map_err(WireError::from)?;
    let mut request = Request::read(&tree)?;
    let wanted = request.wants_token.filter(|mechanism| mechanism.bound_bytes(&channel.bindings).is_some());
    if let Some(fast) = request.fast {
        let initial = request.initial.take();
        let came = fast::log_in(host, channel, &request, (fast, initial.as_deref())).await?;
        check_stream_from(greeting, &came.account.jid)?;
        let logged_in = LoggedIn { account: came.account, device: Some(came.device) };
        return Ok(Proven { logged_in, request, proof: came.proof, gets_token: wanted.or(came.rotates) });
    }
    let mechanism = channel.offer.pick(&request.mechanism)?;
    let exchange = (mechanism, request.initial.take());
    let (account, proof) = auth::prove(host, wire, channel, Profile::Extensible, exchange).await?;
    check_stream_from(greeting, &account.jid)?;
    let device = note_device(host, &account, &request.user_agent).await?;
    Ok(Proven {
        logged_in: LoggedIn { account, device },
        request,
        proof,
        gets_token: wanted.filter(|_| device.is_some()),
    })
}

/// XEP-0388 §2.3: who opened the stream as somebody cannot log in as somebody else.
fn check_stream_from(greeting: &Greeting, account: &BareJid) -> Result<(), Failure> {
    match &greeting.from {
        Some(from) if BareJid::new(from).ok().as_ref() != Some(account) => {
            Err(Failure::new(Condition::InvalidAuthzid, "the stream was opened in another name"))
        }
        _ => Ok(()),
    }
}

/// Remembers the device of a client that knows the password.
async fn note_device(host: &Host, account: &Account, agent: &UserAgent) -> Result<Option<DeviceId>, Failure> {
    let Some(id) = &agent.id else { return Ok(None) };
    let device = devices::id_of(host, account.id, id);
    let names = (agent.software.as_deref(), agent.device.as_deref());
    let devices_max = host.config.limits.devices_per_account_max;
    let seen = storage::devices::seen(&host.db, account.id, device, names, host.clock.now_ms(), devices_max).await;
    seen.map_err(|error| {
        tracing::error!(%error, "a device could not be stored");
        auth::out_of_order()
    })?;
    Ok(Some(device))
}

/// Does what was asked for besides logging in, and tells the client all of it.
pub(super) async fn succeed(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    proven: Proven,
) -> Result<Outcome, Abandoned> {
    let Proven { logged_in, request, proof, gets_token } = proven;
    tracing::info!(account = %logged_in.account.jid, "logged in");
    let mut success = Xml::new("success", ns::SASL2);
    if !proof.is_empty() {
        success = success.text_child("additional-data", payload::encode(&proof));
    }
    let token = match (gets_token, logged_in.device) {
        (Some(mechanism), Some(device)) => fast::issue(host, logged_in.account.id, device, mechanism).await,
        _ => None,
    };
    // XEP-0386 §3.2: a resumption comes first, and makes binding needless.
    let mut failed = String::new();
    if let Some(resume) = &request.resume {
        match resume::resume(host, &logged_in.account, resume).await {
            Ok(resume::Resumed { session, outbox, h }) => {
                let success = success.text_child("authorization-identifier", session.jid.as_str()).child_opt(token);
                let resumed = Some(Resumption { h, success: Some(success) });
                return Ok(Outcome::Established(Box::new(Established { session, outbox, resumed })));
            }
            Err(why) => failed = why,
        }
    }
    let Some(wanted) = &request.bind else {
        let identifier = logged_in.account.jid.as_str();
        let success = success.text_child("authorization-identifier", identifier).raw(&failed).child_opt(token);
        wire.send(&format!("{success}{}", features::after_login(&host.config.limits))).await?;
        return Ok(Outcome::Unbound(logged_in));
    };
    let (session, mut outbox, bound) = bind2::bind(host, &logged_in, peer.ip, wanted).await.map_err(|error| {
        // XEP-0386 has no words for a refusal after the log-in, so the stream ends with it.
        tracing::info!(%error, "no resource was bound");
        StreamError::with_text("resource-constraint", "no resource can be bound now")
    })?;
    let success = success.text_child("authorization-identifier", session.jid.as_str());
    let success = success.raw(&failed).child(bound).child_opt(token);
    let told = format!("{success}{}", features::after_binding(&host.config.limits));
    outbox.batch.bytes.extend_from_slice(told.as_bytes());
    Ok(Outcome::Established(Box::new(Established { session, outbox, resumed: None })))
}
