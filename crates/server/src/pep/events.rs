//! Telling of what happened to a node (XEP-0060 §7.1.2, XEP-0163 §4): the event's XML, and who gets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jid::{BareJid, Jid};
use storage::pubsub::Item;
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::xep::pubsub::MaxItems;
use xmpp::xml::escape_attribute_into;

use super::access::{self, Relation};
use super::node::Node;
use crate::accounts::Account;
use crate::clock;
use crate::host::Host;
use crate::sessions::{Class, Delivery, Session};

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// An item was published.
    Published(&'a Item),
    /// Items were retracted, by their ids.
    Retracted(&'a [String]),
    /// All items were removed.
    Purged,
    /// The node was deleted.
    Deleted,
    /// It was configured anew.
    Configured,
}

impl Event<'_> {
    /// Whether the node's configuration wants it told.
    fn is_told(self, node: &Node) -> bool {
        let notify = node.config.notify;
        let wanted = match self {
            Self::Published(_) => true,
            Self::Retracted(_) | Self::Purged => notify.retract,
            Self::Deleted => notify.delete,
            Self::Configured => notify.config,
        };
        notify.events && wanted
    }

    fn to_xml(self, name: &str, node: &Node) -> String {
        let about = |element| Xml::bare(element).attr("node", name);
        let told = match self {
            Self::Published(item) => about("items").child(item_xml(item, node.config.notify.payloads)),
            Self::Retracted(ids) => about("items").children(ids.iter().map(|id| Xml::bare("retract").attr("id", id))),
            Self::Purged => about("purge"),
            Self::Deleted => about("delete"),
            Self::Configured => {
                about("configuration").child_opt(node.config.notify.payloads.then(|| node.config.form()))
            }
        };
        Xml::new("event", ns::PUBSUB_EVENT).child(told).to_string()
    }
}

/// An item, as it stands among others.
pub(super) fn item_xml(item: &Item, payload: bool) -> Xml {
    Xml::bare("item").attr("id", &item.id).raw(if payload { &item.payload } else { "" })
}

/// Tells whoever may see the node and wants to. `force` tells even where the configuration says nothing of it
/// (XEP-0060 §7.2.2.1).
pub(super) async fn tell(
    host: &Arc<Host>,
    account: &Arc<Account>,
    (name, node): (&str, &Node),
    event: Event<'_>,
    force: bool,
) -> Result<(), storage::Error> {
    if !force && !event.is_told(node) {
        return Ok(());
    }
    let subscribed: BTreeSet<BareJid> = node.subscriptions.iter().map(|(jid, _)| jid.to_bare()).collect();
    let relations = access::relations(host, account, &subscribed).await?;
    let message = Message::new(account, &event.to_xml(name, node), "");
    let class = class_of(account, name, node);
    let listeners = listeners(host, account, name, &relations);
    for session in &listeners {
        let jid = session.account.jid.clone();
        if is_admitted(account, node, &jid, relations.get(&jid)) && !is_blocked(account, session) {
            session.deliver(message.delivery(session.jid.as_str(), class.clone()));
        }
    }
    for (jid, _) in &node.subscriptions {
        if is_admitted(account, node, &jid.to_bare(), relations.get(&jid.to_bare())) {
            to_subscriber(host, account, &listeners, jid, (&message, &class));
        }
    }
    Ok(())
}

/// Sends an item again that was published before, with the time of that.
pub(super) fn send_last(account: &Account, (name, node): (&str, &Node), item: &Item, session: &Session) {
    if !is_blocked(account, session) {
        let message = last_message(account, (name, node), item);
        session.deliver(message.delivery(session.jid.as_str(), class_of(account, name, node)));
    }
}

/// The same for one who has just subscribed.
pub(super) fn send_last_to_subscriber(
    host: &Host,
    account: &Arc<Account>,
    (name, node): (&str, &Node),
    item: &Item,
    jid: &Jid,
) {
    let message = last_message(account, (name, node), item);
    to_subscriber(host, account, &[], jid, (&message, &class_of(account, name, node)));
}

fn last_message(account: &Account, (name, node): (&str, &Node), item: &Item) -> Message {
    let stamp = clock::xmpp_time(item.seq.at_ms());
    let delay = Xml::new("delay", ns::DELAY).attr("from", account.jid.as_str()).attr("stamp", stamp);
    Message::new(account, &Event::Published(item).to_xml(name, node), &delay.to_string())
}

/// XEP-0163 §4: the sessions, the account's own among them, that asked for the node by their capabilities.
fn listeners(host: &Host, account: &Account, name: &str, relations: &BTreeMap<BareJid, Relation>) -> Vec<Arc<Session>> {
    let contacts =
        relations.iter().filter(|(jid, relation)| relation.is_subscriber && jid.domain() == host.domain.domain());
    let jids = std::iter::once(&account.jid).chain(contacts.map(|(jid, _)| jid));
    let mut listeners = Vec::new();
    for jid in jids {
        let Some(localpart) = jid.node() else { continue };
        let sessions = host.sessions.of(localpart.as_str());
        listeners.extend(sessions.into_iter().filter(|session| session.presence.lock().wants(name)));
    }
    listeners
}

/// A subscription is by JID (XEP-0060 §6.1); sessions that were told already are not told twice.
fn to_subscriber(
    host: &Host,
    account: &Account,
    told: &[Arc<Session>],
    jid: &Jid,
    (message, class): (&Message, &Class),
) {
    if jid.domain() != host.domain.domain() {
        host.components.send(jid.domain().as_str(), message.to(jid.as_str()).into());
        return;
    }
    let Some(localpart) = jid.node() else { return };
    for session in host.sessions.of(localpart.as_str()) {
        let addressed = match jid.resource() {
            Some(resource) => session.jid.resource() == resource,
            None => session.priority().is_some_and(|priority| priority >= 0),
        };
        if addressed && !told.iter().any(|other| Arc::ptr_eq(other, &session)) && !is_blocked(account, &session) {
            session.deliver(message.delivery(session.jid.as_str(), class.clone()));
        }
    }
}

fn is_admitted(account: &Account, node: &Node, jid: &BareJid, relation: Option<&Relation>) -> bool {
    access::may_read(account, node, jid, relation.unwrap_or(&Relation::default())).is_ok()
}

/// Neither has blocked the other (XEP-0191).
fn is_blocked(account: &Account, session: &Session) -> bool {
    account.has_blocked(&session.full_jid()) || session.account.has_blocked(&Jid::from(account.jid.clone()))
}

/// Where a node has one item, an inactive client needs only the newest (XEP-0352).
fn class_of(account: &Account, name: &str, node: &Node) -> Class {
    match node.config.max_items {
        // No JID holds a space.
        MaxItems::Count(1) => Class::Presence(format!("{} {name}", account.jid).into()),
        _ => Class::Urgent,
    }
}

/// A notification for anybody, but for the address.
struct Message {
    before: String,
    after: String,
}

impl Message {
    fn new(account: &Account, event: &str, more: &str) -> Self {
        let mut from = String::new();
        escape_attribute_into(&mut from, account.jid.as_str());
        let id = crate::c2s::random_id();
        Self {
            before: format!("<message from='{from}' to='"),
            after: format!("' type='headline' id='{id}'>{event}{more}</message>"),
        }
    }

    fn to(&self, to: &str) -> String {
        let mut xml = String::with_capacity(self.before.len() + to.len() + self.after.len());
        xml.push_str(&self.before);
        escape_attribute_into(&mut xml, to);
        xml.push_str(&self.after);
        xml
    }

    fn delivery(&self, to: &str, class: Class) -> Delivery {
        Delivery { xml: self.to(to).into(), class, undelivered: None }
    }
}
