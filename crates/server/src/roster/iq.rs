//! The roster IQ (RFC 6121 §2): get with versioning, set, remove.

use std::sync::atomic::Ordering;

use jid::BareJid;
use minidom::Element;
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;

use super::{State, erase, item_xml, new_item, push_xml, removed_xml, save, state_of};
use crate::ext::{Reply, Request};
use crate::presence;

/// Answers `jabber:iq:roster`; None when the answer is queued already, with pushes behind it.
pub async fn handle(request: &Request<'_>) -> Result<Option<String>, StanzaError> {
    // RFC 6121 §2.3.3: another user's roster is nobody's business.
    request.own_session()?;
    if request.set { set(request).await.map(Some) } else { get(request).await }
}

async fn get(request: &Request<'_>) -> Result<Option<String>, StanzaError> {
    let session = request.own_session()?;
    let (host, account) = (request.host, &session.account);
    let known = request.payload.attr("ver");
    let full = account
        .with_roster(&host.db, async |roster| {
            // Interested from here on, under the roster's lock: no change falls between the answer and the pushes.
            session.wants_roster.store(true, Ordering::Relaxed);
            if let Some(known) = known.and_then(|ver| ver.parse::<i64>().ok())
                && let Some(changes) = storage::roster::changes_since(&host.db, account.id, known).await?
            {
                return Ok(Err(changes));
            }
            let items = roster.items().filter(|(_, item)| item.in_roster).map(|(_, item)| item_xml(item));
            let mut query = Xml::new("query", ns::ROSTER);
            if known.is_some() {
                query = query.attr("ver", roster.version.to_string());
            }
            Ok(Ok(query.children(items).to_string()))
        })
        .await?;
    match full {
        Ok(query) => Ok(Some(query)),
        // RFC 6121 §2.6.3: an empty result, then a push for each change; they are queued behind the result.
        Err(changes) => {
            session.reply(request.stanza.result_xml("")).await;
            let changed = changes.changed.iter().map(|item| (item.version, item_xml(item)));
            let removed = changes.removed.iter().map(|jid| (changes.version, removed_xml(jid)));
            for (version, item) in changed.chain(removed) {
                let query = Xml::new("query", ns::ROSTER).attr("ver", version.to_string()).child(item);
                session.reply(push_xml(&session.jid, &query.to_string())).await;
            }
            Ok(None)
        }
    }
}

/// What a roster set asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    jid: BareJid,
    remove: bool,
    name: Option<String>,
    groups: Vec<String>,
}

async fn set(request: &Request<'_>) -> Reply {
    let session = request.own_session()?;
    let (host, account) = (request.host, &session.account);
    let limits = &host.config.limits;
    let wanted = read(request.payload, limits.roster_groups_per_item_max, limits.roster_name_bytes_max)?;
    if wanted.remove {
        return remove(request, &wanted.jid).await;
    }
    let too_many = account
        .with_roster(&host.db, async |roster| {
            let known = roster.item(&wanted.jid);
            if known.is_none() && roster.item_count() >= limits.roster_items_max {
                return Ok(true);
            }
            let mut item = known.cloned().unwrap_or_else(|| new_item(&wanted.jid));
            item.name = wanted.name.clone();
            item.groups = wanted.groups.clone();
            item.in_roster = true;
            save(host, account, roster, &wanted.jid, item).await?;
            Ok(false)
        })
        .await?;
    if too_many {
        return Err(StanzaError::with_text(Condition::ResourceConstraint, "the roster is full"));
    }
    Ok(String::new())
}

async fn remove(request: &Request<'_>, jid: &BareJid) -> Reply {
    let session = request.own_session()?;
    let (host, account) = (request.host, &session.account);
    let state: Option<State> = account
        .with_roster(&host.db, async |roster| {
            let state = roster.item(jid).filter(|item| item.in_roster).map(state_of);
            if state.is_some() {
                erase(host, account, roster, jid).await?;
            }
            Ok(state)
        })
        .await?;
    let Some(state) = state else { return Err(Condition::ItemNotFound.into()) };
    // RFC 6121 §2.5.2: removing a contact cancels both subscriptions.
    presence::cancel_subscriptions(host, account, jid, state).await?;
    Ok(String::new())
}

/// RFC 6121 §2.1.5 and §2.3.3: exactly one item, with the error each fault deserves.
fn read(query: &Element, groups_max: usize, name_bytes_max: usize) -> Result<Wanted, StanzaError> {
    let mut items = query.children();
    let (Some(item), None) = (items.next(), items.next()) else { return Err(Condition::BadRequest.into()) };
    if !item.is("item", ns::ROSTER) {
        return Err(Condition::BadRequest.into());
    }
    let jid = item.attr("jid").ok_or(Condition::BadRequest)?;
    let jid = address::parse(jid).ok_or(Condition::JidMalformed)?.into_bare();
    let not_acceptable = |text| StanzaError::with_text(Condition::NotAcceptable, text).of_type(ErrorType::Modify);
    let name = item.attr("name").filter(|name| !name.is_empty()).map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.len() > name_bytes_max) {
        return Err(not_acceptable("the name is too long"));
    }
    let mut groups = Vec::new();
    for group in item.children().filter(|child| child.is("group", ns::ROSTER)) {
        let group = group.text();
        if group.is_empty() || group.len() > name_bytes_max {
            return Err(not_acceptable("a group's name is empty or too long"));
        }
        if groups.contains(&group) {
            return Err(StanzaError::with_text(Condition::BadRequest, "a group is named twice"));
        }
        groups.push(group);
    }
    if groups.len() > groups_max {
        return Err(not_acceptable("too many groups"));
    }
    Ok(Wanted { jid, remove: item.attr("subscription") == Some("remove"), name, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<Wanted, Condition> {
        let query = format!("<query xmlns='{}'>{body}</query>", ns::ROSTER).parse().unwrap();
        read(&query, 2, 10).map_err(|error| error.condition)
    }

    #[test]
    fn a_set_names_one_item_and_its_groups() {
        let wanted = read_text("<item jid='Bob@Example.org/x' name='Bob'><group>a</group></item>").unwrap();
        assert_eq!(wanted.jid.as_str(), "bob@example.org");
        assert_eq!((wanted.name.as_deref(), wanted.groups.as_slice()), (Some("Bob"), &["a".to_owned()][..]));
        assert!(read_text("<item jid='bob@example.org' subscription='remove'/>").unwrap().remove);
    }

    #[test]
    fn each_fault_has_its_condition() {
        assert_eq!(read_text(""), Err(Condition::BadRequest));
        assert_eq!(read_text("<item jid='a@x'/><item jid='b@x'/>"), Err(Condition::BadRequest));
        assert_eq!(read_text("<item/>"), Err(Condition::BadRequest));
        assert_eq!(read_text("<item jid='@'/>"), Err(Condition::JidMalformed));
        assert_eq!(read_text("<item jid='a@x' name='12345678901'/>"), Err(Condition::NotAcceptable));
        assert_eq!(read_text("<item jid='a@x'><group/></item>"), Err(Condition::NotAcceptable));
        let twice = "<item jid='a@x'><group>g</group><group>g</group></item>";
        assert_eq!(read_text(twice), Err(Condition::BadRequest));
    }
}
