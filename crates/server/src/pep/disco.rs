//! What service discovery says of an account's nodes (XEP-0060 §5.2 to §5.5), to whom may read them.

use storage::pubsub::Item;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form;
use xmpp::xep::pubsub::{Config, MaxItems};

use super::access::{self, Relation};
use super::node::{Node, Nodes};
use super::{Failure, items};
use crate::accounts::Account;
use crate::ext::{Reply, Request};

/// The `<item/>`s of the nodes that whoever asks may read.
///
/// # Errors
/// When the database fails.
pub async fn nodes_for(request: &Request<'_>, account: &Account) -> Result<Vec<Xml>, Failure> {
    let relation = access::relation(request.host, account, request.from).await?;
    let from = request.from.to_bare();
    let listed = |nodes: &Nodes| {
        let readable = nodes.iter().filter(|(_, node)| access::may_read(account, node, &from, &relation).is_ok());
        let item = |(name, node): (&String, &Node)| {
            let title = Some(node.config.title.as_str()).filter(|title| !title.is_empty());
            Xml::bare("item").attr("jid", account.jid.as_str()).attr("node", name).attr_opt("name", title)
        };
        readable.map(item).collect()
    };
    Ok(account.read_nodes(&request.host.db, listed).await?)
}

/// Answers disco#info about a node.
///
/// # Errors
/// `item-not-found` when there is none, and what hinders whoever may not read it.
pub async fn info(request: &Request<'_>, account: &Account, name: &str) -> Reply {
    let config = readable(request, account, name).await?;
    let identity = Xml::bare("identity").attr("category", "pubsub").attr("type", "leaf");
    let features = [ns::PUBSUB, ns::DISCO_INFO, ns::DISCO_ITEMS];
    Ok(Xml::new("query", ns::DISCO_INFO)
        .attr("node", name)
        .child(identity)
        .children(features.map(|feature| Xml::bare("feature").attr("var", feature)))
        .child(metadata(account, &config))
        .to_string())
}

/// Answers disco#items about a node: its items.
///
/// # Errors
/// As [`info`].
pub async fn items(request: &Request<'_>, account: &Account, name: &str) -> Reply {
    readable(request, account, name).await?;
    let all = items::all(request.host, account, name).await.map_err(Failure::from)?;
    let item = |item: Item| Xml::bare("item").attr("jid", account.jid.as_str()).attr("name", item.id);
    Ok(Xml::new("query", ns::DISCO_ITEMS).attr("node", name).children(all.into_iter().map(item)).to_string())
}

async fn readable(request: &Request<'_>, account: &Account, name: &str) -> Result<Config, Failure> {
    let relation: Relation = access::relation(request.host, account, request.from).await?;
    let from = request.from.to_bare();
    let config = |nodes: &Nodes| {
        let node = nodes.find(name).ok_or(Condition::ItemNotFound)?;
        access::may_read(account, node, &from, &relation)?;
        Ok::<_, StanzaError>(node.config.clone())
    };
    Ok(account.read_nodes(&request.host.db, config).await??)
}

/// XEP-0060 §5.4.
fn metadata(account: &Account, config: &Config) -> Xml {
    let max_items = match config.max_items {
        MaxItems::Max => String::from("max"),
        MaxItems::Count(count) => count.to_string(),
    };
    let fields = [
        ("pubsub#owner", "jid-multi", account.jid.to_string()),
        ("pubsub#title", "text-single", config.title.clone()),
        ("pubsub#description", "text-single", config.description.clone()),
        ("pubsub#type", "text-single", config.payload_type.clone()),
        ("pubsub#access_model", "list-single", config.access_model.as_str().to_owned()),
        ("pubsub#max_items", "text-single", max_items),
    ];
    let fields = fields.into_iter().filter(|(.., value)| !value.is_empty());
    data_form::result(ns::PUBSUB_META, fields.map(|(var, kind, value)| data_form::values(var, kind, [value])).collect())
}
