//! Somebody comes online, and is told what was published last (XEP-0163 §4.3.4): once it is known what the client
//! wants to be told of (XEP-0115).

use std::sync::Arc;

use jid::{BareJid, Jid};
use storage::pubsub;
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::stanza::{IqType, Kind, Stanza};
use xmpp::xep::caps::Announced;
use xmpp::xep::pubsub::SendLast;

use super::caps::Interests;
use super::{access, events};
use crate::accounts::Account;
use crate::host::Host;
use crate::sessions::{Delivery, Session};

/// A session's client has sent available presence; `came` says that it was not available before.
pub async fn presence_changed(
    host: &Arc<Host>,
    session: &Arc<Session>,
    presence: &Stanza,
    came: bool,
) -> Result<(), storage::Error> {
    let announced = presence.element.child("c", ns::CAPS).and_then(|c| Announced::read(&c)).map(Arc::new);
    let known = announced.as_ref().and_then(|announced| host.caps.known(announced));
    let (before, question) = {
        let caps = &mut session.presence.lock().caps;
        if !came && caps.announced == announced {
            return Ok(());
        }
        let before = caps.interests.take();
        let question = (announced.is_some() && known.is_none()).then(|| Arc::<str>::from(crate::c2s::random_id()));
        caps.announced.clone_from(&announced);
        caps.interests.clone_from(&known);
        caps.asked.clone_from(&question);
        (before.filter(|_| !came), question)
    };
    match (known, announced, question) {
        (Some(interests), ..) => send_last(host, session, &interests, before.as_deref()).await,
        (None, Some(announced), Some(id)) => {
            session.deliver(Delivery::urgent(question_xml(host, session, &announced, &id)));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// XEP-0115 §6.2: what stands behind the hash?
fn question_xml(host: &Host, session: &Session, announced: &Announced, id: &str) -> String {
    let node = format!("{}#{}", announced.node, announced.ver);
    Xml::bare("iq")
        .attr("from", host.domain.as_str())
        .attr("to", session.jid.as_str())
        .attr("type", "get")
        .attr("id", id)
        .child(Xml::new("query", ns::DISCO_INFO).attr("node", node))
        .to_string()
}

/// A client answers the server: the question for its capabilities, or one that expects no more than a sign of life.
pub async fn answered(host: &Arc<Host>, session: &Arc<Session>, stanza: &Stanza) -> Result<(), storage::Error> {
    let announced = {
        let caps = &mut session.presence.lock().caps;
        if caps.asked.is_none() || caps.asked.as_deref() != stanza.id.as_deref() {
            return Ok(());
        }
        caps.asked = None;
        caps.announced.clone()
    };
    let query = match stanza.kind {
        Kind::Iq(IqType::Result) => stanza.element.child("query", ns::DISCO_INFO).and_then(|query| query.to_dom().ok()),
        _ => None,
    };
    let (Some(announced), Some(query)) = (announced, query) else { return Ok(()) };
    let interests = host.caps.learn(&announced, &query);
    {
        let caps = &mut session.presence.lock().caps;
        if caps.announced.as_ref() != Some(&announced) {
            return Ok(());
        }
        caps.interests = Some(interests.clone());
    }
    send_last(host, session, &interests, None).await
}

/// `contact` receives the presence of the account's user from now on.
pub async fn subscription_granted(
    host: &Arc<Host>,
    account: &Arc<Account>,
    contact: &BareJid,
) -> Result<(), storage::Error> {
    if contact.domain() != host.domain.domain() {
        return Ok(());
    }
    for session in host.sessions.of(contact.node().map_or("", |node| node.as_str())) {
        let interests = session.presence.lock().caps.interests.clone();
        if let Some(interests) = interests.filter(|interests| !interests.is_empty()) {
            send_last_of(host, account, &session, &interests, None).await?;
        }
    }
    Ok(())
}

/// What the account itself and those whose presence it receives have published last; not of what the client wanted
/// `before` already.
async fn send_last(
    host: &Arc<Host>,
    session: &Arc<Session>,
    interests: &Interests,
    before: Option<&Interests>,
) -> Result<(), storage::Error> {
    if interests.is_empty() {
        return Ok(());
    }
    send_last_of(host, &session.account, session, interests, before).await?;
    let contacts = session.account.with_roster(&host.db, async |roster| Ok(roster.subscriptions())).await?;
    for contact in contacts.into_iter().filter(|contact| contact.domain() == host.domain.domain()) {
        if session.account.has_blocked(&Jid::from(contact.clone())) {
            continue;
        }
        if let Some(account) = host.accounts.find(&host.db, &contact).await? {
            send_last_of(host, &account, session, interests, before).await?;
        }
    }
    Ok(())
}

/// Holds the lock on the account's nodes, so that nothing newer overtakes what is sent.
async fn send_last_of(
    host: &Arc<Host>,
    account: &Arc<Account>,
    session: &Session,
    interests: &Interests,
    before: Option<&Interests>,
) -> Result<(), storage::Error> {
    let held = account.hold_nodes(&host.db).await?;
    let is_due = |name: &str| interests.contains(name) && !before.is_some_and(|before| before.contains(name));
    let due: Vec<_> = held
        .nodes
        .iter()
        .filter(|(name, node)| is_due(name) && node.config.send_last == SendLast::OnSubAndPresence)
        .filter(|(_, node)| node.config.notify.events)
        .collect();
    if !due.is_empty() {
        let jid = &session.account.jid;
        let relation = access::relation(host, account, &Jid::from(jid.clone())).await?;
        for (name, node) in due {
            if access::may_read(account, node, jid, &relation).is_ok()
                && let Some(item) = pubsub::last(&host.db, account.id, name).await?
            {
                events::send_last(account, (name, node), &item, session);
            }
        }
    }
    held.put_back();
    Ok(())
}
