//! A resource comes, changes and goes (RFC 6121 §4.2, §4.4, §4.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jid::{BareJid, Jid};
use storage::accounts::LastSeen;
use xmpp::ns;
use xmpp::stanza::{Kind, PresenceType, Stanza};

use super::inbound::{self, delivery_of};
use crate::accounts::Account;
use crate::host::Host;
use crate::pep::{self, SessionCaps};
use crate::sessions::{Delivery, Outbound, Session};

/// Available presence without `to`: initial presence or an update.
pub(super) async fn available(host: &Arc<Host>, session: &Arc<Session>, stanza: Stanza) -> Result<(), storage::Error> {
    let hides_photo = has_empty_photo(&stanza);
    let stanza = Arc::new(with_photo(host, session, stanza).await?);
    let gets_messages = priority_of(&stanza) >= 0;
    let (subscribers, subscriptions, requests) = contacts(host, &session.account).await?;
    let was_available = {
        let mut presence = session.presence.lock();
        let (was_available, old_priority) = (presence.available.is_some(), presence.priority);
        presence.priority = priority_of(&stanza);
        presence.available = Some(stanza.clone());
        presence.hides_photo = hides_photo;
        // XEP-0160 §3: what waits is delivered once the user may get messages here. The queue keeps it in its place:
        // whoever finds the session available, under this lock, queues behind it.
        if gets_messages && (!was_available || old_priority < 0) {
            session.push(Outbound::FlushOffline(host.ids.next(host.clock.now_ms())));
        }
        was_available
    };
    broadcast(host, session, &subscribers, &stanza).await?;
    if !was_available {
        probe(host, session, &subscriptions).await?;
        // RFC 6121 §3.1.3: requests that wait for an answer are delivered to every resource that comes.
        for request in requests {
            session.deliver(Delivery::urgent(request));
        }
    }
    pep::presence_changed(host, session, &stanza, !was_available).await
}

/// The presence with the hash of the account's photo in it (XEP-0398 §4).
pub(super) async fn with_photo(host: &Host, session: &Session, stanza: Stanza) -> Result<Stanza, storage::Error> {
    let hash = session.account.photo(&host.db).await?;
    Ok(pep::with_photo(&stanza, hash.as_deref(), false).unwrap_or(stanza))
}

fn has_empty_photo(stanza: &Stanza) -> bool {
    let x = stanza.element.child("x", ns::VCARD_UPDATE).and_then(|x| x.to_element().ok());
    let photo = x.as_ref().and_then(|x| x.child("photo", ns::VCARD_UPDATE));
    photo.is_some_and(|photo| photo.text().is_none_or(|text| text.trim().is_empty()))
}

/// The account has another photo, or none: those who receive its presence are told (XEP-0153 §3.1).
pub async fn photo_changed(host: &Arc<Host>, account: &Arc<Account>, hash: Option<&str>) -> Result<(), storage::Error> {
    let (subscribers, ..) = contacts(host, account).await?;
    for session in host.sessions.of(account.localpart()) {
        let changed = {
            let mut presence = session.presence.lock();
            let before = presence.available.as_ref().filter(|_| !presence.hides_photo);
            let changed = before.and_then(|before| pep::with_photo(before, hash, true)).map(Arc::new);
            if changed.is_some() {
                presence.available.clone_from(&changed);
            }
            changed
        };
        if let Some(changed) = changed {
            broadcast(host, &session, &subscribers, &changed).await?;
        }
    }
    Ok(())
}

/// Unavailable presence without `to`.
pub(super) async fn unavailable(
    host: &Arc<Host>,
    session: &Arc<Session>,
    stanza: Stanza,
) -> Result<(), storage::Error> {
    let (was_available, directed) = {
        let mut presence = session.presence.lock();
        presence.caps = SessionCaps::default();
        (presence.available.take().is_some(), std::mem::take(&mut presence.directed))
    };
    if was_available {
        let (subscribers, ..) = contacts(host, &session.account).await?;
        broadcast(host, session, &subscribers, &stanza).await?;
        touch_last_seen(host, session, &stanza).await;
    }
    tell_directed(host, &session.account, directed, &stanza).await
}

/// A session has ended without saying so (RFC 6121 §4.5.2).
pub async fn session_gone(host: &Arc<Host>, session: &Arc<Session>) {
    let Some(stanza) = unavailable_from(&Jid::from(session.jid.clone())) else { return };
    if let Err(error) = unavailable(host, session, stanza).await {
        tracing::warn!(%error, "contacts were not told that a session is gone");
    }
}

/// The user of `account` has blocked these: to them all its resources are gone (XEP-0191 §3.3).
pub async fn hide_from(host: &Arc<Host>, account: &Arc<Account>, jids: &[Jid]) {
    for session in host.sessions.of(account.localpart()) {
        let Some(stanza) = unavailable_from(&session.full_jid()) else { continue };
        let seen_by = who_sees(host, account, &session, jids).await;
        if session.priority().is_some() {
            tell_all(host, seen_by, &stanza).await;
        }
    }
}

/// The user of `account` has unblocked these: they see it again (XEP-0191 §3.4).
pub async fn show_to(host: &Arc<Host>, account: &Arc<Account>, jids: &[Jid]) {
    for session in host.sessions.of(account.localpart()) {
        let Some(stanza) = session.presence.lock().available.clone() else { continue };
        let mut seen_by = who_sees(host, account, &session, jids).await;
        // Unblocking a domain does not unblock who is on the list by name.
        seen_by.retain(|jid| !account.has_blocked(jid));
        tell_all(host, seen_by, &stanza).await;
    }
}

/// Those covered by `jids` (an entry may stand for a whole domain) who receive this session's presence.
async fn who_sees(host: &Host, account: &Account, session: &Session, jids: &[Jid]) -> Vec<Jid> {
    let covered = |seer: &Jid| {
        let (bare, domain) = (Jid::from(seer.to_bare()), Jid::from(BareJid::from_parts(None, seer.domain())));
        [seer, &bare, &domain].into_iter().any(|covering| jids.contains(covering))
    };
    let subscribers = account.with_roster(&host.db, async |roster| Ok(roster.subscribers())).await.unwrap_or_default();
    let directed = session.presence.lock().directed.clone();
    subscribers.into_iter().map(Jid::from).chain(directed).filter(covered).collect()
}

async fn tell_all(host: &Arc<Host>, jids: Vec<Jid>, stanza: &Stanza) {
    for jid in jids {
        if let Err(error) = inbound::deliver(host, &jid, addressed(stanza, &jid)).await {
            tracing::warn!(%error, "presence was not delivered");
        }
    }
}

/// Who receives the account's presence, whose presence it receives, and which requests wait for its answer.
async fn contacts(host: &Host, account: &Account) -> Result<(Vec<BareJid>, Vec<BareJid>, Vec<Bytes>), storage::Error> {
    account
        .with_roster(&host.db, async |roster| {
            let requests = roster.items().filter_map(|(_, item)| item.pending_in.clone()).collect();
            Ok((roster.subscribers(), roster.subscriptions(), requests))
        })
        .await
}

/// To the user's own resources, this one included, and to all subscribers.
async fn broadcast(
    host: &Arc<Host>,
    session: &Arc<Session>,
    subscribers: &[BareJid],
    stanza: &Stanza,
) -> Result<(), storage::Error> {
    let own = Jid::from(session.account.jid.clone());
    let to_own = delivery_of(&addressed(stanza, &own));
    for resource in host.sessions.of(session.account.localpart()) {
        if resource.priority().is_some() || Arc::ptr_eq(&resource, session) {
            resource.deliver(to_own.clone());
        }
    }
    for contact in subscribers {
        let contact = Jid::from(contact.clone());
        if !session.account.has_blocked(&contact) {
            inbound::deliver(host, &contact, addressed(stanza, &contact)).await?;
        }
    }
    Ok(())
}

/// RFC 6121 §4.2.2 and §4.3: what the user's other resources and contacts are doing.
async fn probe(host: &Arc<Host>, session: &Arc<Session>, subscriptions: &[BareJid]) -> Result<(), storage::Error> {
    for resource in host.sessions.of(session.account.localpart()) {
        let available = resource.presence.lock().available.clone();
        if let Some(available) = available.filter(|_| !Arc::ptr_eq(&resource, session)) {
            session.deliver(delivery_of(&addressed(&available, &session.full_jid())));
        }
    }
    for contact in subscriptions {
        let contact = Jid::from(contact.clone());
        if session.account.has_blocked(&contact) {
            continue;
        }
        let Some(mut probe) = bare_presence("probe") else { continue };
        probe.from = Some(session.full_jid());
        inbound::deliver(host, &contact, addressed(&probe, &contact)).await?;
    }
    Ok(())
}

async fn tell_directed(
    host: &Arc<Host>,
    account: &Account,
    directed: BTreeSet<Jid>,
    stanza: &Stanza,
) -> Result<(), storage::Error> {
    for jid in directed.into_iter().filter(|jid| !account.has_blocked(jid)) {
        inbound::deliver(host, &jid, addressed(stanza, &jid)).await?;
    }
    Ok(())
}

/// XEP-0012 §4: when the user was last here, and what was said on leaving.
async fn touch_last_seen(host: &Host, session: &Session, stanza: &Stanza) {
    let status = stanza.content_child("status").and_then(|status| Some(status.text()?.into_owned()));
    let last_seen = LastSeen { at_ms: host.clock.now_ms(), status };
    let touched = storage::accounts::touch_last_seen(&host.db, session.account.id, last_seen).await;
    if let Err(error) = touched {
        tracing::warn!(%error, "the time of last activity was not stored");
    }
}

/// The same stanza for somebody in particular.
pub(super) fn addressed(stanza: &Stanza, to: &Jid) -> Stanza {
    Stanza { to: Some(to.clone()), ..stanza.clone() }
}

/// Unavailable presence of a resource that cannot speak for itself.
pub(super) fn unavailable_from(from: &Jid) -> Option<Stanza> {
    let mut stanza = bare_presence("unavailable")?;
    stanza.from = Some(from.clone());
    Some(stanza)
}

/// A presence of that type without addresses and payload.
pub(super) fn bare_presence(kind: &str) -> Option<Stanza> {
    Stanza::from_text(format!("<presence type='{kind}'/>"))
}

/// RFC 6121 §4.7.2.3: an integer from -128 to 127, 0 when there is none.
fn priority_of(stanza: &Stanza) -> i8 {
    let Kind::Presence(PresenceType::Available) = stanza.kind else { return 0 };
    let Some(priority) = stanza.content_child("priority") else { return 0 };
    priority.text().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_is_a_small_integer_or_zero() {
        let of = |text: &'static str| priority_of(&Stanza::from_text(text).unwrap());
        assert_eq!(of("<presence/>"), 0);
        assert_eq!(of("<presence><priority>-1</priority></presence>"), -1);
        assert_eq!(of("<presence><priority> 7 </priority></presence>"), 7);
        assert_eq!(of("<presence><priority>1000</priority></presence>"), 0);
    }
}
