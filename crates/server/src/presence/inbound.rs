//! Presence on its way to somebody: a local account, one of its resources, or a component.

use std::sync::Arc;

use jid::Jid;
use xmpp::stanza::{Kind, PresenceType, Stanza};

use super::broadcast::{addressed, unavailable_from};
use super::subscribe;
use crate::accounts::Account;
use crate::host::Host;
use crate::roster;
use crate::sessions::{Class, Delivery, Session};

/// Delivers a presence whose `from` is proved. Whoever must not have it, or is not there, does not get it; nobody is
/// told (RFC 6121 §8.5).
pub async fn deliver(host: &Arc<Host>, to: &Jid, stanza: Stanza) -> Result<(), storage::Error> {
    let Kind::Presence(kind) = stanza.kind else { return Ok(()) };
    if to.domain() != host.domain.domain() {
        let domain = to.domain().as_str();
        if host.components.is_configured(domain) {
            host.components.send(domain, stanza.to_xml(|_| true, "").into());
        }
        return Ok(());
    }
    let Some(account) = host.accounts.find(&host.db, &to.to_bare()).await? else { return Ok(()) };
    let Some(from) = stanza.from.clone() else { return Ok(()) };
    if account.has_blocked(&from) {
        return Ok(());
    }
    if let Some(action) = roster::action_of(kind) {
        return subscribe::inbound(host, &account, action, &from.to_bare(), stanza).await;
    }
    if kind == PresenceType::Probe {
        return answer_probe(host, &account, to, &from).await;
    }
    let delivery = delivery_of(&stanza);
    for session in host.sessions.of(account.localpart()) {
        let addressed = match to.resource() {
            Some(resource) => session.jid.resource() == resource,
            // RFC 6121 §8.5.2.1.2: every available resource, whatever its priority.
            None => session.priority().is_some(),
        };
        if addressed {
            session.deliver(delivery.clone());
        }
    }
    Ok(())
}

/// RFC 6121 §4.3.2: the current presence of what was probed, for those who may know.
async fn answer_probe(host: &Arc<Host>, account: &Arc<Account>, to: &Jid, from: &Jid) -> Result<(), storage::Error> {
    let own = from.to_bare() == account.jid;
    let sessions = host.sessions.of(account.localpart());
    let matches = |session: &Session| to.resource().is_none_or(|resource| session.jid.resource() == resource);
    let may_know = |session: &Session| {
        let presence = session.presence.lock();
        presence.directed.contains(from) || presence.directed.contains(&Jid::from(from.to_bare()))
    };
    let subscriber = own || (!sessions.is_empty() && roster::is_subscriber(host, account, from).await?);
    let mut answered = false;
    for session in sessions.iter().filter(|session| matches(session)) {
        if !subscriber && !may_know(session) {
            continue;
        }
        let available = session.presence.lock().available.clone();
        if let Some(available) = available {
            answered = true;
            Box::pin(deliver(host, from, addressed(&available, from))).await?;
        }
    }
    if !answered
        && (subscriber || roster::is_subscriber(host, account, from).await?)
        && let Some(unavailable) = unavailable_from(to)
    {
        Box::pin(deliver(host, from, addressed(&unavailable, from))).await?;
    }
    Ok(())
}

/// A presence ready for a session's queue.
pub(super) fn delivery_of(stanza: &Stanza) -> Arc<Delivery> {
    let class = match (stanza.kind, &stanza.from) {
        (Kind::Presence(PresenceType::Available | PresenceType::Unavailable), Some(from)) => {
            Class::Presence(from.as_str().into())
        }
        _ => Class::Urgent,
    };
    Arc::new(Delivery { xml: stanza.to_xml(|_| true, "").into(), class, undelivered: None })
}
