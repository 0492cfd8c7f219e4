//! Presence (RFC 6121 §3 and §4): what a client's presence sets off, and what reaches a user from outside.

mod broadcast;
mod inbound;
mod subscribe;

use std::sync::Arc;

use jid::Jid;
use xmpp::error::{Condition, StanzaError};
use xmpp::stanza::{Kind, PresenceType, Stanza};

pub use broadcast::{hide_from, photo_changed, session_gone, show_to};
pub use inbound::deliver;
pub use subscribe::{befriend, cancel_subscriptions};

use crate::host::Host;
use crate::roster;
use crate::sessions::Session;

/// A session's client has sent presence; `from` is stamped already.
pub async fn handle(host: &Arc<Host>, session: &Arc<Session>, stanza: Stanza) -> Result<(), StanzaError> {
    let Kind::Presence(kind) = stanza.kind else { return Ok(()) };
    if let Some(to) = stanza.to.clone() {
        return directed(host, session, kind, &to, stanza).await;
    }
    match kind {
        PresenceType::Available => broadcast::available(host, session, stanza).await?,
        PresenceType::Unavailable => broadcast::unavailable(host, session, stanza).await?,
        // RFC 6121 §3 and §4.3: these are about somebody, who must be named.
        PresenceType::Probe
        | PresenceType::Subscribe
        | PresenceType::Subscribed
        | PresenceType::Unsubscribe
        | PresenceType::Unsubscribed => {
            return Err(StanzaError::with_text(Condition::BadRequest, "whom is it for? 'to' is missing"));
        }
        PresenceType::Error => {}
    }
    Ok(())
}

/// Presence to somebody in particular.
async fn directed(
    host: &Arc<Host>,
    session: &Arc<Session>,
    kind: PresenceType,
    to: &Jid,
    stanza: Stanza,
) -> Result<(), StanzaError> {
    // XEP-0191 §3.5: nothing goes to a blocked contact.
    if session.account.has_blocked(to) {
        return Err(crate::ext::blocking::blocked_by_user());
    }
    if let Some(action) = roster::action_of(kind) {
        return subscribe::outbound(host, session, action, &to.to_bare(), stanza).await;
    }
    match kind {
        PresenceType::Available | PresenceType::Unavailable => {
            remember_directed(host, session, kind, to).await?;
        }
        PresenceType::Probe if host.domain == to.to_bare() => return Ok(()),
        _ => {}
    }
    // XEP-0398 §4: rooms learn of the photo too.
    let stanza =
        if kind == PresenceType::Available { broadcast::with_photo(host, session, stanza).await? } else { stanza };
    inbound::deliver(host, to, stanza).await?;
    Ok(())
}

/// RFC 6121 §4.6: those outside the roster who saw the user come are told when the user goes.
async fn remember_directed(host: &Host, session: &Session, kind: PresenceType, to: &Jid) -> Result<(), StanzaError> {
    if kind == PresenceType::Available && roster::is_subscriber(host, &session.account, to).await? {
        return Ok(());
    }
    let mut presence = session.presence.lock();
    if kind == PresenceType::Unavailable {
        presence.directed.remove(to);
    } else if presence.directed.len() >= host.config.limits.directed_presence_max && !presence.directed.contains(to) {
        return Err(StanzaError::with_text(Condition::ResourceConstraint, "too many were sent directed presence"));
    } else {
        presence.directed.insert(to.clone());
    }
    Ok(())
}
