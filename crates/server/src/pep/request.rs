//! What is asked of an account as a service (XEP-0060): one `match`.

use std::sync::Arc;

use jid::Jid;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::pubsub::Request as Asked;

use super::node::Nodes;
use super::{Failure, bookmarks, defaults, items, owner, publish, retract, subscribe};
use crate::accounts::Account;
use crate::ext::{Reply, Request};
use crate::host::Host;

/// Answers `<pubsub/>`, of anybody and of owners.
///
/// # Errors
/// Those of XEP-0060.
pub async fn handle(request: &Request<'_>) -> Reply {
    let account = request.account.ok_or(Condition::ServiceUnavailable)?;
    let asked = Asked::read(request.payload, request.set)?;
    if let Asked::Items(wanted) = asked {
        if wanted.node == ns::BOOKMARKS {
            bookmarks::migrate(request.host, account, request.from).await?;
        }
        return Ok(items::retrieve(request, account, wanted).await?.to_string());
    }
    let (host, account, from) = (request.host.clone(), account.clone(), request.from.clone());
    // In a task of its own: what was begun is finished, and told, even if the connection is lost meanwhile.
    let work = tokio::spawn(async move { act(&host, &account, &from, asked).await });
    match work.await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StanzaError::new(Condition::InternalServerError)),
    }
}

async fn act(host: &Arc<Host>, account: &Arc<Account>, from: &Jid, asked: Asked) -> Result<String, Failure> {
    if let Asked::Publish(publication) = asked {
        let node = publication.node.clone();
        if node == ns::BOOKMARKS {
            bookmarks::migrate(host, account, from).await?;
        }
        let id = publish::publish(host, account, from, *publication).await?;
        let list = Xml::bare("publish").attr("node", node).child(Xml::bare("item").attr("id", id));
        return Ok(Xml::new("pubsub", ns::PUBSUB).child(list).to_string());
    }
    let mut held = account.hold_nodes(&host.db).await?;
    let done = within_lock(host, account, from, &mut held.nodes, asked).await;
    held.put_back_after(done)
}

async fn within_lock(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    asked: Asked,
) -> Result<String, Failure> {
    let empty = String::new;
    let bare = from.to_bare();
    Ok(match asked {
        Asked::Publish(_) | Asked::Items(_) => return Err(Condition::InternalServerError.into()),
        Asked::Retract { node, ids, notify } => {
            retract::retract(host, account, from, nodes, (&node, ids, notify)).await.map(|()| empty())?
        }
        Asked::Create { node, config } => {
            let is_named = node.is_some();
            let name = owner::create(host, account, from, nodes, (node, config)).await?;
            let created = || Xml::new("pubsub", ns::PUBSUB).child(Xml::bare("create").attr("node", &name));
            // XEP-0060 §8.1.2: the name is said where the service chose it.
            if is_named { empty() } else { created().to_string() }
        }
        Asked::Subscribe { node, jid } => {
            subscribe::subscribe(host, account, from, nodes, (&node, jid)).await?.to_string()
        }
        Asked::Unsubscribe { node, jid, subid } => {
            subscribe::unsubscribe(host, account, from, nodes, (&node, jid, subid)).await.map(|()| empty())?
        }
        Asked::Subscriptions { node } => subscribe::subscriptions(nodes, &bare, node.as_deref())?.to_string(),
        Asked::Affiliations { node } => subscribe::affiliations(account, nodes, &bare, node.as_deref())?.to_string(),
        Asked::ReadConfig { node } => {
            let form = retract::owned(account, nodes, from, &node)?.config.form();
            let configure = Xml::bare("configure").attr("node", node).child(form);
            Xml::new("pubsub", ns::PUBSUB_OWNER).child(configure).to_string()
        }
        Asked::Configure { node, form: Some(form) } => {
            owner::configure(host, account, from, nodes, (&node, &form)).await.map(|()| empty())?
        }
        Asked::Configure { node, form: None } => retract::owned(account, nodes, from, &node).map(|_| empty())?,
        Asked::DefaultConfig => {
            let default = Xml::bare("default").child(defaults::config("").form());
            Xml::new("pubsub", ns::PUBSUB_OWNER).child(default).to_string()
        }
        Asked::Delete { node } => retract::delete(host, account, from, nodes, &node).await.map(|()| empty())?,
        Asked::Purge { node } => retract::purge(host, account, from, nodes, &node).await.map(|()| empty())?,
        Asked::NodeAffiliations { node } => {
            owner::affiliations(account, &node, retract::owned(account, nodes, from, &node)?).to_string()
        }
        Asked::SetAffiliations { node, changes } => {
            owner::set_affiliations(host, account, from, nodes, (&node, changes)).await.map(|()| empty())?
        }
        Asked::NodeSubscriptions { node } => {
            owner::subscriptions(&node, retract::owned(account, nodes, from, &node)?).to_string()
        }
        Asked::SetSubscriptions { node, changes } => {
            owner::set_subscriptions(host, account, from, nodes, (&node, changes)).await.map(|()| empty())?
        }
    })
}
