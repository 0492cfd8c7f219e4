//! Subscriptions (RFC 6121 §3): the stanzas that make and end them, on both sides of the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::{BareJid, Jid};
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::stanza::Stanza;

use super::broadcast::{addressed, bare_presence, unavailable_from};
use super::inbound;
use crate::accounts::Account;
use crate::admin::invites;
use crate::host::Host;
use crate::pep;
use crate::roster::{self, Action, State};
use crate::sessions::{Delivery, Session};

/// A client sends a subscription stanza (RFC 6121 A.2).
pub(super) async fn outbound(
    host: &Arc<Host>,
    session: &Arc<Session>,
    action: Action,
    contact: &BareJid,
    stanza: Stanza,
) -> Result<(), StanzaError> {
    let account = &session.account;
    if *contact == account.jid {
        return Err(StanzaError::with_text(Condition::NotAllowed, "one always has one's own presence"));
    }
    let limit = host.config.limits.roster_items_max;
    let change = account
        .with_roster(&host.db, async |roster| {
            let before = roster.state(contact);
            let outcome = before.outbound(action);
            let known = roster.item(contact);
            if known.is_none() && outcome.state != before && roster.item_count() >= limit {
                return Ok(None);
            }
            if outcome.state != before {
                let mut item = known.cloned().unwrap_or_else(|| roster::new_item(contact));
                roster::apply(&mut item, outcome.state);
                // A request, an approval and a granted subscription make an item; a refused request leaves none.
                item.in_roster |= outcome.state.pending_out || outcome.state.from || outcome.state.approved;
                if item.in_roster {
                    roster::save(host, account, roster, contact, item).await?;
                } else {
                    roster::erase(host, account, roster, contact).await?;
                }
            }
            Ok(Some((before, outcome)))
        })
        .await?;
    let Some((before, outcome)) = change else {
        return Err(StanzaError::with_text(Condition::ResourceConstraint, "the roster is full"));
    };
    if outcome.pass {
        // RFC 6121 §3.1.2: subscription stanzas go from bare JID to bare JID.
        forward(host, account, contact, stanza).await?;
    }
    presence_follows(host, account, contact, before, outcome.state).await?;
    Ok(())
}

/// A subscription stanza arrives for a local account (RFC 6121 A.3).
pub(super) async fn inbound(
    host: &Arc<Host>,
    account: &Arc<Account>,
    action: Action,
    contact: &BareJid,
    mut stanza: Stanza,
) -> Result<(), storage::Error> {
    let own = Jid::from(account.jid.clone());
    stanza.from = Some(Jid::from(contact.clone()));
    stanza.to = Some(own.clone());
    let xml = stanza.to_xml(|_| true, "");
    let limits = &host.config.limits;
    let invited = action == Action::Subscribe && is_invited(host, account, contact, &stanza).await?;
    let (before, outcome) = account
        .with_roster(&host.db, async |roster| {
            let before = roster.state(contact);
            // XEP-0379 §3.5: as if the user had approved before, and asks in return.
            let mut outcome = State { approved: before.approved || invited, ..before }.inbound(action);
            outcome.state.pending_out |= invited && !outcome.state.to;
            outcome.state.approved = before.approved;
            let waiting = roster.items().filter(|(_, item)| item.pending_in.is_some()).count();
            let asks_anew = outcome.state.pending_in && !before.pending_in;
            if asks_anew && waiting >= limits.pending_subscriptions_max {
                // A flood of requests from strangers: the newest are dropped, as if the user had not seen them.
                outcome.state = before;
                outcome.pass = false;
            }
            if outcome.state != before {
                let mut item = roster.item(contact).cloned().unwrap_or_else(|| roster::new_item(contact));
                if asks_anew {
                    item.pending_in = Some(xml.clone().into());
                }
                item.in_roster |= invited;
                roster::apply(&mut item, outcome.state);
                if item.in_roster || item.pending_in.is_some() {
                    roster::save(host, account, roster, contact, item).await?;
                } else {
                    roster::erase(host, account, roster, contact).await?;
                }
            }
            Ok((before, outcome))
        })
        .await?;
    if outcome.pass {
        for session in host.sessions.of(account.localpart()) {
            // RFC 6121 §3.1.3: requests go to available resources, the rest to those that asked for the roster.
            if session.priority().is_some()
                || (action != Action::Subscribe && session.wants_roster.load(Ordering::Relaxed))
            {
                session.deliver(Delivery::urgent(xml.clone()));
            }
        }
    }
    if outcome.auto_approve
        && let Some(approval) = bare_presence("subscribed")
    {
        forward(host, account, contact, approval).await?;
    }
    if invited
        && outcome.state.pending_out
        && let Some(request) = bare_presence("subscribe")
    {
        forward(host, account, contact, request).await?;
    }
    presence_follows(host, account, contact, before, outcome.state).await
}

/// Whether the request comes with a token that lets it in. What is wrong with one is nobody's business: the user is
/// asked, as without it (XEP-0379 §4.1).
async fn is_invited(
    host: &Host,
    account: &Account,
    contact: &BareJid,
    request: &Stanza,
) -> Result<bool, storage::Error> {
    let token =
        request.element.child("preauth", ns::PREAUTH).and_then(|preauth| Some(preauth.attr("token")?.into_owned()));
    let Some(token) = token else { return Ok(false) };
    // Who has what the token gives must not use it up.
    let is_granted = account.with_roster(&host.db, async |roster| Ok(roster.state(contact).from)).await?;
    if is_granted { Ok(false) } else { invites::admits(host, account, contact, &token).await }
}

/// Makes two users of this server see each other, as if both had asked and both agreed: they know each other by an
/// invitation (XEP-0401 §5.4). Whose roster is full gets no more contacts.
pub async fn befriend(host: &Arc<Host>, one: &Arc<Account>, other: &Arc<Account>) -> Result<(), storage::Error> {
    let both = State { to: true, from: true, ..State::default() };
    let limit = host.config.limits.roster_items_max;
    for (account, contact) in [(one, &other.jid), (other, &one.jid)] {
        let before = account
            .with_roster(&host.db, async |roster| {
                let (before, known) = (roster.state(contact), roster.item(contact).cloned());
                if before == both || (known.is_none() && roster.item_count() >= limit) {
                    return Ok(both);
                }
                let mut item = known.unwrap_or_else(|| roster::new_item(contact));
                roster::apply(&mut item, both);
                item.in_roster = true;
                roster::save(host, account, roster, contact, item).await?;
                Ok(before)
            })
            .await?;
        presence_follows(host, account, contact, before, both).await?;
    }
    Ok(())
}

/// Ends whatever subscriptions there are between the account and a contact, as when the contact is taken off the
/// roster (RFC 6121 §2.5.2).
pub async fn cancel_subscriptions(
    host: &Arc<Host>,
    account: &Arc<Account>,
    contact: &BareJid,
    state: State,
) -> Result<(), storage::Error> {
    let ends = [(state.to || state.pending_out, "unsubscribe"), (state.from || state.pending_in, "unsubscribed")];
    for (_, kind) in ends.into_iter().filter(|(is_due, _)| *is_due) {
        if let Some(stanza) = bare_presence(kind) {
            forward(host, account, contact, stanza).await?;
        }
    }
    let after = State::default();
    presence_follows(host, account, contact, state, after).await
}

/// Sends a subscription stanza from the account to the contact, bare to bare.
async fn forward(
    host: &Arc<Host>,
    account: &Account,
    contact: &BareJid,
    mut stanza: Stanza,
) -> Result<(), storage::Error> {
    stanza.from = Some(Jid::from(account.jid.clone()));
    let contact = Jid::from(contact.clone());
    // Boxed: an approval given by the server comes back here from the other side.
    Box::pin(inbound::deliver(host, &contact, addressed(&stanza, &contact))).await
}

/// RFC 6121 §3.1.6, §3.2.3 and §3.3.3: who gains a subscription sees who is here; who loses it sees everyone go.
async fn presence_follows(
    host: &Arc<Host>,
    account: &Arc<Account>,
    contact: &BareJid,
    before: State,
    after: State,
) -> Result<(), storage::Error> {
    if before.from == after.from {
        return Ok(());
    }
    let bare = contact;
    let contact = Jid::from(contact.clone());
    if account.has_blocked(&contact) {
        return Ok(());
    }
    for session in host.sessions.of(account.localpart()) {
        let Some(available) = session.presence.lock().available.clone() else { continue };
        let stanza = if after.from { Some((*available).clone()) } else { unavailable_from(&session.full_jid()) };
        if let Some(stanza) = stanza {
            Box::pin(inbound::deliver(host, &contact, addressed(&stanza, &contact))).await?;
        }
    }
    if after.from {
        // XEP-0163 §4.3.4
        pep::subscription_granted(host, account, bare).await?;
    }
    Ok(())
}
