//! Subscriptions by request (XEP-0060 §6.1, §6.2, §5.6): for those who are told without asking by presence, see
//! [`super::events`].

use std::sync::Arc;

use jid::{BareJid, Jid};
use storage::pubsub;
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType};
use xmpp::ns;
use xmpp::xep::pubsub::{Affiliation, SendLast, error};

use super::node::Nodes;
use super::{Failure, access, events, owner};
use crate::accounts::Account;
use crate::host::Host;

/// Subscribes; an answer that has the subscription.
pub(super) async fn subscribe(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, jid): (&str, Jid),
) -> Result<Xml, Failure> {
    is_own(from, &jid)?;
    let mut node = nodes.find(name).ok_or(Condition::ItemNotFound)?.clone();
    let relation = access::relation(host, account, from).await?;
    access::may_read(account, &node, &from.to_bare(), &relation)?;
    let known = node.subscriptions.iter().find(|(other, _)| *other == jid).map(|(_, subid)| subid.clone());
    let subid = match known {
        Some(subid) => subid,
        None => {
            let subid = crate::c2s::random_id();
            node.subscriptions.push((jid.clone(), subid.clone()));
            owner::bounded(host, &node)?;
            owner::store(host, account, nodes, name, node.clone()).await?;
            subid
        }
    };
    if node.config.send_last != SendLast::Never
        && let Some(item) = pubsub::last(&host.db, account.id, name).await?
    {
        events::send_last_to_subscriber(host, account, (name, &node), &item, &jid);
    }
    Ok(Xml::new("pubsub", ns::PUBSUB).child(owner::subscription(Some(name), &jid, &subid)))
}

/// Ends a subscription.
pub(super) async fn unsubscribe(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, jid, subid): (&str, Jid, Option<String>),
) -> Result<(), Failure> {
    if from.to_bare() != jid.to_bare() {
        return Err(Condition::Forbidden.into());
    }
    let mut node = nodes.find(name).ok_or(Condition::ItemNotFound)?.clone();
    let Some((_, known)) = node.subscriptions.iter().find(|(other, _)| *other == jid) else {
        return Err(error(Condition::UnexpectedRequest, "not-subscribed").of_type(ErrorType::Cancel).into());
    };
    if subid.is_some_and(|subid| subid != *known) {
        return Err(error(Condition::NotAcceptable, "invalid-subid").into());
    }
    node.subscriptions.retain(|(other, _)| *other != jid);
    owner::store(host, account, nodes, name, node).await
}

/// The subscriptions of `from`, to one node or to all.
pub(super) fn subscriptions(nodes: &Nodes, from: &BareJid, name: Option<&str>) -> Result<Xml, Failure> {
    if name.is_some_and(|name| nodes.find(name).is_none()) {
        return Err(Condition::ItemNotFound.into());
    }
    let mut list = Xml::bare("subscriptions").attr_opt("node", name);
    for (node_name, node) in nodes.iter().filter(|(node_name, _)| name.is_none_or(|name| name == node_name.as_str())) {
        let own = node.subscriptions.iter().filter(|(jid, _)| jid.to_bare() == *from);
        list = list.children(own.map(|(jid, subid)| owner::subscription(Some(node_name), jid, subid)));
    }
    Ok(Xml::new("pubsub", ns::PUBSUB).child(list))
}

/// The affiliations of `from`, with one node or with all.
pub(super) fn affiliations(
    account: &Account,
    nodes: &Nodes,
    from: &BareJid,
    name: Option<&str>,
) -> Result<Xml, Failure> {
    if name.is_some_and(|name| nodes.find(name).is_none()) {
        return Err(Condition::ItemNotFound.into());
    }
    let wanted = nodes.iter().filter(|(node_name, _)| name.is_none_or(|name| name == node_name.as_str()));
    let own = wanted.filter_map(|(node_name, node)| match node.affiliation(&account.jid, from) {
        Affiliation::None => None,
        other => Some(Xml::bare("affiliation").attr("node", node_name).attr("affiliation", other.as_str())),
    });
    let list = Xml::bare("affiliations").attr_opt("node", name).children(own);
    Ok(Xml::new("pubsub", ns::PUBSUB).child(list))
}

/// XEP-0060 §6.1.3.1: one subscribes oneself, with or without the resource.
fn is_own(from: &Jid, jid: &Jid) -> Result<(), Failure> {
    let is_own = from.to_bare() == jid.to_bare() && (jid.is_bare() || jid == from);
    if is_own { Ok(()) } else { Err(error(Condition::BadRequest, "invalid-jid").into()) }
}
