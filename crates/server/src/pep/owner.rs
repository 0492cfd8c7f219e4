//! What the owner of a node does with it (XEP-0060 §8): create, configure, and say who has to do with it.

use std::sync::Arc;

use jid::{BareJid, Jid};
use storage::pubsub;
use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;
use xmpp::xep::data_form::Submission;
use xmpp::xep::pubsub::{Affiliation, error};

use super::events::{self, Event};
use super::node::{Node, Nodes};
use super::retract::owned;
use super::{Failure, publish};
use crate::accounts::Account;
use crate::host::Host;

/// Creates a node; gives its name.
pub(super) async fn create(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, config): (Option<String>, Option<Submission>),
) -> Result<String, Failure> {
    if from.to_bare() != account.jid {
        return Err(Condition::Forbidden.into());
    }
    let name = name.unwrap_or_else(crate::c2s::random_id);
    if nodes.find(&name).is_some() {
        return Err(Condition::Conflict.into());
    }
    let config = publish::created(host, nodes, &name, config.as_ref(), publish::Unknown::Ignored)?;
    let node = Node { config, ..Node::default() };
    store(host, account, nodes, &name, node).await?;
    Ok(name)
}

/// Configures a node; what the form does not name stays.
pub(super) async fn configure(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, form): (&str, &Submission),
) -> Result<(), Failure> {
    let mut node = owned(account, nodes, from, name)?.clone();
    let items_max = u32::try_from(host.config.limits.pubsub_items_max).unwrap_or(u32::MAX);
    publish::apply(&mut node.config, Some(form), items_max, publish::Unknown::Ignored)?;
    store(host, account, nodes, name, node.clone()).await?;
    events::tell(host, account, (name, &node), Event::Configured, false).await?;
    Ok(())
}

/// Who has which affiliation, the account's own first.
pub(super) fn affiliations(account: &Account, name: &str, node: &Node) -> Xml {
    let one = |jid: &BareJid, affiliation: Affiliation| {
        Xml::bare("affiliation").attr("jid", jid.as_str()).attr("affiliation", affiliation.as_str())
    };
    let others = node.affiliations.iter().map(|(jid, affiliation)| one(jid, *affiliation));
    let list = Xml::bare("affiliations").attr("node", name).child(one(&account.jid, Affiliation::Owner));
    Xml::new("pubsub", ns::PUBSUB_OWNER).child(list.children(others))
}

/// Changes affiliations; the account's own stays.
pub(super) async fn set_affiliations(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, changes): (&str, Vec<(BareJid, Affiliation)>),
) -> Result<(), Failure> {
    let mut node = owned(account, nodes, from, name)?.clone();
    for (jid, affiliation) in changes {
        if jid == account.jid {
            return Err(Condition::NotAcceptable.into());
        }
        match affiliation {
            Affiliation::None => node.affiliations.remove(&jid),
            _ => node.affiliations.insert(jid, affiliation),
        };
    }
    bounded(host, &node)?;
    store(host, account, nodes, name, node).await
}

/// Who is subscribed.
pub(super) fn subscriptions(name: &str, node: &Node) -> Xml {
    let one = |(jid, subid): &(Jid, String)| subscription(None, jid, subid);
    let list = Xml::bare("subscriptions").attr("node", name).children(node.subscriptions.iter().map(one));
    Xml::new("pubsub", ns::PUBSUB_OWNER).child(list)
}

/// Changes who is subscribed.
pub(super) async fn set_subscriptions(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, changes): (&str, Vec<(Jid, bool)>),
) -> Result<(), Failure> {
    let mut node = owned(account, nodes, from, name)?.clone();
    for (jid, subscribed) in changes {
        if !subscribed {
            node.subscriptions.retain(|(other, _)| *other != jid);
        } else if !node.subscriptions.iter().any(|(other, _)| *other == jid) {
            node.subscriptions.push((jid, crate::c2s::random_id()));
        }
    }
    bounded(host, &node)?;
    store(host, account, nodes, name, node).await
}

/// One subscription (XEP-0060 §5.6).
pub(super) fn subscription(node: Option<&str>, jid: &Jid, subid: &str) -> Xml {
    Xml::bare("subscription")
        .attr_opt("node", node)
        .attr("jid", jid.as_str())
        .attr("subscription", "subscribed")
        .attr("subid", subid)
}

/// Not more have to do with a node than may.
pub(super) fn bounded(host: &Host, node: &Node) -> Result<(), Failure> {
    let max = host.config.limits.pubsub_affiliates_max;
    if node.affiliations.len() > max || node.subscriptions.len() > max {
        return Err(error(Condition::PolicyViolation, "too-many-subscriptions").into());
    }
    Ok(())
}

/// Stores a node, and caches it once it is stored.
pub(super) async fn store(
    host: &Host,
    account: &Account,
    nodes: &mut Nodes,
    name: &str,
    node: Node,
) -> Result<(), Failure> {
    pubsub::store_node(&host.db, account.id, &node.to_stored(name)).await?;
    nodes.put(name, node);
    Ok(())
}
