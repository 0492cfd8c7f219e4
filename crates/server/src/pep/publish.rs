//! Publishing (XEP-0060 §7.1): the node comes into being when there is none, conditions on its configuration hold, and
//! there is room.

use std::sync::Arc;

use jid::Jid;
use storage::pubsub::{self, Item};
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form::Submission;
use xmpp::xep::pubsub::{Affiliation, Config, Fault, Publication, error};

use super::events::{self, Event};
use super::node::{Node, Nodes};
use super::{Failure, avatar, defaults};
use crate::accounts::Account;
use crate::host::Host;

/// Publishes an item for `from`, with all that follows; gives its id.
pub(super) async fn publish(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    publication: Publication,
) -> Result<String, Failure> {
    let is_avatar = publication.node == ns::AVATAR_METADATA;
    let payload = is_avatar.then(|| publication.payload.clone());
    let mut held = account.hold_nodes(&host.db).await?;
    let stored = store(host, account, from, &mut held.nodes, publication).await;
    let id = held.put_back_after(stored)?;
    if let Some(metadata) = payload {
        avatar::published(host, account, &metadata).await?;
    }
    Ok(id)
}

/// Publishes an item within the lock: commits it, then tells.
pub(super) async fn store(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    publication: Publication,
) -> Result<String, Failure> {
    let Publication { node: name, id, payload, payload_ns, options } = publication;
    let limits = &host.config.limits;
    let items_max = u32::try_from(limits.pubsub_items_max).unwrap_or(u32::MAX);
    let found = nodes.find(&name).cloned();
    let is_new = found.is_none();
    let node = match found {
        Some(node) => {
            may_publish(account, &node, from)?;
            check(&node.config, options.as_ref(), items_max)?;
            node
        }
        None => {
            // Nobody but the owner makes nodes; for others there is none.
            if from.to_bare() != account.jid {
                return Err(Condition::ItemNotFound.into());
            }
            let config = created(host, nodes, &name, options.as_ref(), Unknown::Refused)?;
            Node { config, ..Node::default() }
        }
    };
    if !node.config.payload_type.is_empty() && node.config.payload_type != payload_ns {
        return Err(error(Condition::BadRequest, "invalid-payload").into());
    }
    let id = id.unwrap_or_else(crate::c2s::random_id);
    if id.len() > limits.pubsub_name_bytes_max {
        return Err(StanzaError::with_text(Condition::NotAcceptable, "the item's id is too long").into());
    }
    if payload.len() > limits.pubsub_item_bytes_max {
        return Err(error(Condition::NotAcceptable, "payload-too-big").into());
    }
    let item = Item { id, seq: host.ids.next(host.clock.now_ms()), publisher: from.to_bare().to_string(), payload };
    if node.config.persist_items {
        if !nodes.take_room(&host.db, account.id, item.payload.len(), limits.pubsub_bytes_max).await? {
            return Err(no_room("no room for so much in one account").into());
        }
        let new_node = is_new.then(|| node.to_stored(&name));
        let keep = node.keep(limits.pubsub_items_max);
        pubsub::publish(&host.db, account.id, (&name, new_node.as_ref()), &item, keep).await?;
    } else if is_new {
        pubsub::store_node(&host.db, account.id, &node.to_stored(&name)).await?;
    }
    if is_new {
        nodes.put(&name, node.clone());
    }
    events::tell(host, account, (&name, &node), Event::Published(&item), false).await?;
    Ok(item.id)
}

/// Whether there may be one more node of that name, and how it is configured.
pub(super) fn created(
    host: &Host,
    nodes: &Nodes,
    name: &str,
    form: Option<&Submission>,
    unknown: Unknown,
) -> Result<Config, StanzaError> {
    let limits = &host.config.limits;
    if name.len() > limits.pubsub_name_bytes_max {
        return Err(StanzaError::with_text(Condition::NotAcceptable, "the node's name is too long"));
    }
    if nodes.len() >= limits.pubsub_nodes_max {
        return Err(error(Condition::ResourceConstraint, "max-nodes-exceeded").of_type(ErrorType::Cancel));
    }
    let items_max = u32::try_from(limits.pubsub_items_max).unwrap_or(u32::MAX);
    let mut config = defaults::config(name);
    apply(&mut config, form, items_max, unknown)?;
    Ok(config)
}

/// What becomes of fields that nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// They are left out.
    Ignored,
    /// XEP-0060 §7.1.5: they are conditions that are never met.
    Refused,
}

/// Sets what a form says; the first thing that is refused ends it.
pub(super) fn apply(
    config: &mut Config,
    form: Option<&Submission>,
    items_max: u32,
    unknown: Unknown,
) -> Result<(), StanzaError> {
    for (var, values) in form.into_iter().flat_map(Submission::fields) {
        match config.set(var, values, items_max) {
            Err(Fault::Unknown) if unknown == Unknown::Ignored => {}
            set => set.map_err(refused)?,
        }
    }
    Ok(())
}

fn refused(fault: Fault) -> StanzaError {
    match fault {
        Fault::Unknown => error(Condition::Conflict, "precondition-not-met"),
        Fault::Value => StanzaError::with_text(Condition::NotAcceptable, "a field has a value that is not offered"),
        Fault::AccessModel => error(Condition::NotAcceptable, "unsupported-access-model"),
    }
}

/// XEP-0060 §7.1.5: what the publisher relies on is so.
fn check(config: &Config, options: Option<&Submission>, items_max: u32) -> Result<(), StanzaError> {
    let mut wanted = config.clone();
    let understood = apply(&mut wanted, options, items_max, Unknown::Refused).is_ok();
    if understood && wanted == *config {
        return Ok(());
    }
    Err(error(Condition::Conflict, "precondition-not-met"))
}

pub(super) fn may_publish(account: &Account, node: &Node, from: &Jid) -> Result<(), StanzaError> {
    match node.affiliation(&account.jid, &from.to_bare()) {
        Affiliation::Owner | Affiliation::Publisher => Ok(()),
        _ => Err(Condition::Forbidden.into()),
    }
}

pub(super) fn no_room(text: &'static str) -> StanzaError {
    StanzaError::with_text(Condition::ResourceConstraint, text).of_type(ErrorType::Modify)
}

#[cfg(test)]
mod tests {
    use xmpp::xep::pubsub::AccessModel;

    use super::*;

    fn options(fields: &[(&str, &str)]) -> Submission {
        let field = |(var, value): &(&str, &str)| format!("<field var='{var}'><value>{value}</value></field>");
        let fields: String = fields.iter().map(field).collect();
        let form = format!("<x xmlns='{}' type='submit'>{fields}</x>", ns::DATA_FORMS);
        Submission::of(&form.parse().unwrap())
    }

    #[test]
    fn conditions_are_met_or_the_publication_conflicts() {
        let config = Config { access_model: AccessModel::Open, ..Config::default() };
        let met = |fields: &[(&str, &str)]| check(&config, Some(&options(fields)), 100).is_ok();
        assert!(check(&config, None, 100).is_ok());
        assert!(met(&[("pubsub#access_model", "open"), ("pubsub#max_items", "1"), ("pubsub#persist_items", "true")]));
        assert!(!met(&[("pubsub#access_model", "whitelist")]));
        assert!(!met(&[("pubsub#access_model", "open"), ("pubsub#max_items", "max")]));
        assert!(!met(&[("pubsub#access_model", "authorize")]));
        assert!(!met(&[("pubsub#unheard_of", "1")]));
    }
}
