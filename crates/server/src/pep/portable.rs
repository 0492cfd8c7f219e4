//! Nodes and items of accounts that move (XEP-0227 §3.8).

use jid::BareJid;
use minidom::Element;
use storage::pubsub::{self, Item, Node as Stored};
use storage::{AccountId, ArchiveId, Db};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::xep::data_form::Submission;

use super::items::every;
use super::node::Node;
use super::{defaults, owner};

/// Items of one node that an export has; no server's bound is higher.
const ITEMS_MAX: usize = 100_000;

/// A node of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeEntry {
    /// As it is to be stored.
    node: Stored,
}

/// What an account has published, as XML.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// `<pubsub/>` with the configuration of each node, empty when there are none.
    pub(crate) nodes: String,
    /// The items of each node.
    pub(crate) items: Vec<(String, Vec<Item>)>,
}

/// Reads the nodes of a `<pubsub xmlns='…#owner'/>`.
pub(crate) fn read_nodes(pubsub: &Element) -> Vec<NodeEntry> {
    let named = |name: &str, node: &str| {
        pubsub.children().find(|child| child.is(name, ns::PUBSUB_OWNER) && child.attr("node") == Some(node))
    };
    let attr = |element: &Element, name: &str| element.attr(name).map(str::to_owned);
    let configured = pubsub.children().filter(|child| child.is("configure", ns::PUBSUB_OWNER));
    configured
        .filter_map(|configure| {
            let name = configure.attr("node").filter(|name| !name.is_empty())?;
            let mut config = defaults::config(name);
            let form = configure.get_child("x", ns::DATA_FORMS).map(Submission::of).unwrap_or_default();
            for (var, values) in form.fields() {
                // What other servers have beside is left out.
                let _ = config.set(var, values, u32::MAX);
            }
            let affiliations = named("affiliations", name).into_iter().flat_map(Element::children);
            let subscriptions = named("subscriptions", name).into_iter().flat_map(Element::children);
            let subscriptions = subscriptions.filter_map(|child| {
                Some((attr(child, "jid")?, attr(child, "subid").unwrap_or_else(crate::c2s::random_id)))
            });
            let stored = Stored {
                name: name.to_owned(),
                config: Vec::new(),
                affiliations: affiliations
                    .filter_map(|one| Some((attr(one, "jid")?, attr(one, "affiliation")?)))
                    .collect(),
                subscriptions: subscriptions.collect(),
            };
            let node = Node { config, ..Node::from_stored(&stored) };
            Some(NodeEntry { node: node.to_stored(name) })
        })
        .collect()
}

/// Reads the items of a `<pubsub/>`: node, id and payload of each.
pub(crate) fn read_items(pubsub: &Element) -> Vec<(String, String, String)> {
    let lists = pubsub.children().filter(|child| child.is("items", ns::PUBSUB));
    let items = lists.filter_map(|list| Some((list.attr("node")?, list))).flat_map(|(node, list)| {
        list.children().filter_map(move |item| {
            let id = item.attr("id").filter(|id| !id.is_empty())?;
            let payload = item.children().next().map(String::from).unwrap_or_default();
            Some((node.to_owned(), id.to_owned(), payload))
        })
    });
    items.collect()
}

/// Adds nodes and items to an account; what is there already stays. Items come after all that were published before
/// `seq`, which goes on.
pub(crate) async fn import(
    db: &Db,
    (owner, jid): (AccountId, &BareJid),
    nodes: Vec<NodeEntry>,
    items: Vec<(String, String, String)>,
    seq: &mut ArchiveId,
) -> Result<(), storage::Error> {
    let mut known = pubsub::nodes(db, owner).await?;
    for NodeEntry { node } in nodes {
        if !known.iter().any(|other| other.name == node.name) {
            pubsub::store_node(db, owner, &node).await?;
            known.push(node);
        }
    }
    for (name, id, payload) in items {
        let new_node = (!known.iter().any(|node| node.name == name))
            .then(|| Node { config: defaults::config(&name), ..Node::default() }.to_stored(&name));
        if new_node.is_none() && pubsub::item(db, owner, &name, &id).await?.is_some() {
            continue;
        }
        *seq = seq.next();
        let item = Item { id, seq: *seq, publisher: jid.to_string(), payload };
        // Its configuration is kept to when something is published next.
        pubsub::publish(db, owner, (&name, new_node.as_ref()), &item, u32::MAX).await?;
        known.extend(new_node);
    }
    Ok(())
}

/// Everything that an account has published.
pub(crate) async fn export(db: &Db, owner: AccountId) -> Result<Exported, storage::Error> {
    let nodes = pubsub::nodes(db, owner).await?;
    if nodes.is_empty() {
        return Ok(Exported::default());
    }
    let mut described = Xml::new("pubsub", ns::PUBSUB_OWNER);
    let mut items = Vec::new();
    for stored in nodes {
        let node = Node::from_stored(&stored);
        let about = |name| Xml::bare(name).attr("node", &stored.name);
        described = described.child(about("configure").child(node.config.form()));
        if !node.affiliations.is_empty() {
            let one = |(jid, affiliation): (&BareJid, &xmpp::xep::pubsub::Affiliation)| {
                Xml::bare("affiliation").attr("jid", jid.as_str()).attr("affiliation", affiliation.as_str())
            };
            described = described.child(about("affiliations").children(node.affiliations.iter().map(one)));
        }
        if !node.subscriptions.is_empty() {
            let subscribed = node.subscriptions.iter().map(|(jid, subid)| owner::subscription(None, jid, subid));
            described = described.child(about("subscriptions").children(subscribed));
        }
        items.push((stored.name.clone(), every(db, owner, &stored.name, ITEMS_MAX).await?));
    }
    Ok(Exported { nodes: described.to_string(), items })
}
