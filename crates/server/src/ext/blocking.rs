//! XEP-0191: whom an account does not want to hear from. Routing enforces it; here the list is read and changed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::{BareJid, Jid};
use minidom::Element;
use storage::blocklist;
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;

use super::{Reply, Request};
use crate::accounts::Account;
use crate::host::Host;
use crate::presence;
use crate::sessions::Delivery;

/// Answers `<blocklist/>`, `<block/>` and `<unblock/>`.
///
/// # Errors
/// `forbidden` for another's account, `bad-request` and `jid-malformed` for faulty items, `not-acceptable` for
/// blocking oneself, `resource-constraint` when the list would exceed `blocklist_max`.
pub async fn handle(request: &Request<'_>) -> Reply {
    let session = request.own_session()?;
    let (host, account) = (request.host, &session.account);
    match (request.payload.name(), request.set) {
        ("blocklist", false) => {
            // First this, then the list: a change in between is pushed rather than missed.
            session.wants_blocklist.store(true, Ordering::Relaxed);
            Ok(list("blocklist", account.blocked().iter()).to_string())
        }
        ("block", true) => block(host, account, items(request.payload)?).await,
        ("unblock", true) => unblock(host, account, items(request.payload)?).await,
        _ => Err(Condition::BadRequest.into()),
    }
}

/// The answer to a stanza for somebody whom its sender has blocked (XEP-0191 §3.3).
pub fn blocked_by_user() -> StanzaError {
    StanzaError::new(Condition::NotAcceptable)
        .of_type(ErrorType::Cancel)
        .with_application("blocked", ns::BLOCKING_ERRORS)
}

async fn block(host: &Arc<Host>, account: &Arc<Account>, jids: Vec<Jid>) -> Reply {
    check_blockable(&jids, &account.jid)?;
    let items_max = host.config.limits.blocklist_max;
    // Under the roster's lock: two sessions that change the list at once must not lose each other's change.
    let blocked = account.with_roster(&host.db, async |_| {
        let before = account.blocked();
        let fresh: Vec<Jid> = jids.iter().filter(|jid| !before.contains(*jid)).cloned().collect();
        let after: HashSet<Jid> = before.iter().chain(&fresh).cloned().collect();
        if !fresh.is_empty() && after.len() > items_max {
            return Ok(None);
        }
        blocklist::add(&host.db, account.id, &texts(&fresh)).await?;
        account.set_blocked(after);
        Ok(Some(fresh))
    });
    let Some(fresh) = blocked.await? else {
        return Err(StanzaError::with_text(Condition::ResourceConstraint, "the block list is full"));
    };
    presence::hide_from(host, account, &fresh).await;
    push(host, account, "block", &jids);
    Ok(String::new())
}

/// Unblocks `jids`, or everybody when there are none (XEP-0191 §3.5).
async fn unblock(host: &Arc<Host>, account: &Arc<Account>, jids: Vec<Jid>) -> Reply {
    let unblocked = account.with_roster(&host.db, async |_| {
        let before = account.blocked();
        if jids.is_empty() {
            blocklist::clear(&host.db, account.id).await?;
            account.set_blocked(HashSet::new());
            return Ok(before.iter().cloned().collect());
        }
        let gone: Vec<Jid> = jids.iter().filter(|jid| before.contains(*jid)).cloned().collect();
        blocklist::remove(&host.db, account.id, &texts(&gone)).await?;
        account.set_blocked(before.iter().filter(|jid| jids.binary_search(jid).is_err()).cloned().collect());
        Ok(gone)
    });
    // A broader item, the domain's for example, may still block one of them.
    let visible: Vec<Jid> = unblocked.await?.into_iter().filter(|jid| !account.has_blocked(jid)).collect();
    presence::show_to(host, account, &visible).await;
    push(host, account, "unblock", &jids);
    Ok(String::new())
}

/// Tells the account's sessions that have asked for the list (XEP-0191 §3.3).
fn push(host: &Host, account: &Account, name: &'static str, jids: &[Jid]) {
    let change = list(name, jids).to_string();
    for session in host.sessions.of(account.localpart()) {
        if session.wants_blocklist.load(Ordering::Relaxed) {
            let iq = Xml::bare("iq").attr("to", session.jid.as_str()).attr("type", "set");
            let iq = iq.attr("id", crate::c2s::random_id()).raw(&change);
            session.deliver(Delivery::urgent(iq.to_string()));
        }
    }
}

/// The JIDs of the items, normalised, sorted and each once.
fn items(payload: &Element) -> Result<Vec<Jid>, StanzaError> {
    let items = payload.children().filter(|child| child.is("item", ns::BLOCKING));
    let jids = items.map(|item| {
        let jid = item.attr("jid").ok_or(StanzaError::with_text(Condition::BadRequest, "an item needs a jid"))?;
        address::parse(jid).ok_or(Condition::JidMalformed.into())
    });
    let mut jids = jids.collect::<Result<Vec<Jid>, StanzaError>>()?;
    jids.sort_unstable();
    jids.dedup();
    Ok(jids)
}

fn check_blockable(jids: &[Jid], own: &BareJid) -> Result<(), StanzaError> {
    if jids.is_empty() {
        return Err(StanzaError::with_text(Condition::BadRequest, "whom to block?"));
    }
    // It would cut the account's own devices off from each other.
    if jids.iter().any(|jid| jid.to_bare() == *own) {
        return Err(StanzaError::with_text(Condition::NotAcceptable, "nobody can block themselves"));
    }
    Ok(())
}

fn list<'a>(name: &'static str, jids: impl IntoIterator<Item = &'a Jid>) -> Xml {
    let items = jids.into_iter().map(|jid| Xml::bare("item").attr("jid", jid.as_str()));
    Xml::new(name, ns::BLOCKING).children(items)
}

fn texts(jids: &[Jid]) -> Vec<String> {
    jids.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &str) -> Result<Vec<Jid>, StanzaError> {
        items(&format!("<block xmlns='{}'>{children}</block>", ns::BLOCKING).parse().unwrap())
    }

    fn jids(texts: &[&str]) -> Vec<Jid> {
        texts.iter().map(|text| Jid::new(text).unwrap()).collect()
    }

    #[test]
    fn items_of_every_kind_are_read_normalised_and_once() {
        let kinds = "<item jid='Romeo@montague.net'/><item jid='montague.net'/><item jid='romeo@montague.net'/>\
                     <item jid='romeo@montague.net/Orchard'/><item jid='montague.net/bot'/>";
        let expected = ["montague.net", "montague.net/bot", "romeo@montague.net", "romeo@montague.net/Orchard"];
        assert_eq!(read(kinds).unwrap(), jids(&expected));
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn faulty_items_name_their_condition() {
        assert_eq!(read("<item/>").unwrap_err().condition, Condition::BadRequest);
        assert_eq!(read("<item jid='a@@'/>").unwrap_err().condition, Condition::JidMalformed);
    }

    #[test]
    fn nobody_is_not_blocked_and_neither_is_oneself() {
        let own = BareJid::new("juliet@capulet.com").unwrap();
        let refused = |texts: &[&str]| check_blockable(&jids(texts), &own).map_err(|error| error.condition);
        assert_eq!(refused(&[]), Err(Condition::BadRequest));
        assert_eq!(refused(&["romeo@montague.net", "juliet@capulet.com/balcony"]), Err(Condition::NotAcceptable));
        assert_eq!(refused(&["romeo@montague.net", "capulet.com"]), Ok(()));
    }

    #[test]
    fn a_push_for_unblocking_everybody_is_empty() {
        assert_eq!(list("unblock", &[]).to_string(), "<unblock xmlns='urn:xmpp:blocking'/>");
    }
}
