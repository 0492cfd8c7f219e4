//! Retracting items, purging and deleting nodes (XEP-0060 §7.2, §8.4, §8.5).

use std::sync::Arc;

use jid::Jid;
use storage::pubsub;
use xmpp::error::Condition;
use xmpp::xep::pubsub::Affiliation;

use super::events::{self, Event};
use super::node::{Node, Nodes};
use super::{Failure, publish};
use crate::accounts::Account;
use crate::host::Host;

/// Retracts items by their ids, within the lock.
pub(super) async fn retract(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    (name, ids, notify): (&str, Vec<String>, bool),
) -> Result<(), Failure> {
    let node = nodes.find(name).ok_or(Condition::ItemNotFound)?;
    publish::may_publish(account, node, from)?;
    let were_there = pubsub::retract(&host.db, account.id, name, &ids).await?;
    let gone: Vec<String> = ids.into_iter().zip(were_there).filter(|(_, was)| *was).map(|(id, _)| id).collect();
    if gone.is_empty() {
        return Err(Condition::ItemNotFound.into());
    }
    events::tell(host, account, (name, node), Event::Retracted(&gone), notify).await?;
    Ok(())
}

/// Removes all items of a node.
pub(super) async fn purge(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    name: &str,
) -> Result<(), Failure> {
    let node = owned(account, nodes, from, name)?;
    pubsub::purge(&host.db, account.id, name).await?;
    events::tell(host, account, (name, node), Event::Purged, false).await?;
    Ok(())
}

/// Removes a node.
pub(super) async fn delete(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    name: &str,
) -> Result<(), Failure> {
    owned(account, nodes, from, name)?;
    pubsub::remove_node(&host.db, account.id, name).await?;
    if let Some(node) = nodes.remove(name) {
        events::tell(host, account, (name, &node), Event::Deleted, false).await?;
    }
    Ok(())
}

/// The node, for one of its owners.
pub(super) fn owned<'a>(account: &Account, nodes: &'a Nodes, from: &Jid, name: &str) -> Result<&'a Node, Condition> {
    match nodes.find(name) {
        Some(node) if node.affiliation(&account.jid, &from.to_bare()) == Affiliation::Owner => Ok(node),
        Some(_) => Err(Condition::Forbidden),
        // Only who could make the node learns that there is none.
        None if from.to_bare() == account.jid => Err(Condition::ItemNotFound),
        None => Err(Condition::Forbidden),
    }
}
