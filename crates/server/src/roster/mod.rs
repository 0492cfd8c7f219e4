//! Rosters (RFC 6121 §2 and §3): the cached roster of an account, pushes, and what leaves with an account.

mod iq;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::{BareJid, Jid};
use storage::roster::{Item, Subscription};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::stanza::PresenceType;

pub use iq::handle;
pub use subscription::{Action, State};

use crate::accounts::Account;
use crate::host::Host;
use crate::presence;

/// An account's roster as cached, by contact. Subscription requests that wait for an answer are in it too.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The version of the last change (RFC 6121 §2.6).
    pub version: i64,
    items: BTreeMap<BareJid, Item>,
}

impl Roster {
    /// From what the database holds.
    pub fn from_stored(stored: storage::roster::Roster) -> Self {
        let items = stored.items.into_iter().filter_map(|item| Some((BareJid::new(&item.jid).ok()?, item))).collect();
        Self { version: stored.version, items }
    }

    /// What is known of a contact.
    pub fn item(&self, jid: &BareJid) -> Option<&Item> {
        self.items.get(jid)
    }

    /// All that is known, by contact.
    pub fn items(&self) -> impl Iterator<Item = (&BareJid, &Item)> {
        self.items.iter()
    }

    /// How many contacts something is known of.
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// The subscription state towards a contact.
    pub fn state(&self, jid: &BareJid) -> State {
        self.item(jid).map(state_of).unwrap_or_default()
    }

    /// Contacts that receive the user's presence.
    pub fn subscribers(&self) -> Vec<BareJid> {
        self.items.iter().filter(|(_, item)| item.subscription.has_from()).map(|(jid, _)| jid.clone()).collect()
    }

    /// Contacts whose presence the user receives.
    pub fn subscriptions(&self) -> Vec<BareJid> {
        self.items.iter().filter(|(_, item)| item.subscription.has_to()).map(|(jid, _)| jid.clone()).collect()
    }
}

fn state_of(item: &Item) -> State {
    State {
        to: item.subscription.has_to(),
        from: item.subscription.has_from(),
        pending_out: item.ask,
        pending_in: item.pending_in.is_some(),
        approved: item.approved,
    }
}

/// Writes a state into an item; the request that waits is kept or dropped with `pending_in`.
pub(crate) fn apply(item: &mut Item, state: State) {
    item.subscription = match (state.to, state.from) {
        (false, false) => Subscription::None,
        (true, false) => Subscription::To,
        (false, true) => Subscription::From,
        (true, true) => Subscription::Both,
    };
    item.ask = state.pending_out;
    item.approved = state.approved;
    if !state.pending_in {
        item.pending_in = None;
    }
}

/// A contact nothing is known of yet.
pub(crate) fn new_item(jid: &BareJid) -> Item {
    Item {
        jid: jid.to_string(),
        name: None,
        subscription: Subscription::None,
        ask: false,
        approved: false,
        pending_in: None,
        groups: Vec::new(),
        in_roster: false,
        version: 0,
    }
}

/// The `<item/>` of a roster (RFC 6121 §2.1.2).
pub(crate) fn item_xml(item: &Item) -> Xml {
    Xml::bare("item")
        .attr("jid", &item.jid)
        .attr_opt("name", item.name.as_deref())
        .attr("subscription", item.subscription.as_str())
        .attr_opt("ask", item.ask.then_some("subscribe"))
        .attr_opt("approved", item.approved.then_some("true"))
        .children(item.groups.iter().map(|group| Xml::bare("group").text(group)))
}

/// The `<item/>` of a contact that left the roster (RFC 6121 §2.5).
fn removed_xml(jid: &str) -> Xml {
    Xml::bare("item").attr("jid", jid).attr("subscription", "remove")
}

/// Writes an item of a locked roster to the database and pushes it when clients may see it.
pub(crate) async fn save(
    host: &Host,
    account: &Account,
    roster: &mut Roster,
    jid: &BareJid,
    item: Item,
) -> Result<(), storage::Error> {
    let mut item = item;
    item.version = storage::roster::upsert(&host.db, account.id, &item).await?;
    roster.version = item.version;
    // A request that waits changes the row and nothing that clients see.
    let is_news = roster.item(jid).is_none_or(|before| !before.in_roster || !looks_alike(before, &item));
    if item.in_roster && is_news {
        push(host, account, item.version, item_xml(&item));
    }
    roster.items.insert(jid.clone(), item);
    Ok(())
}

fn looks_alike(before: &Item, after: &Item) -> bool {
    item_xml(before).to_string() == item_xml(after).to_string()
}

/// Takes an item out of a locked roster and the database; clients that saw it are told.
pub(crate) async fn erase(
    host: &Host,
    account: &Account,
    roster: &mut Roster,
    jid: &BareJid,
) -> Result<(), storage::Error> {
    let Some(item) = roster.items.get(jid) else { return Ok(()) };
    let seen = item.in_roster;
    let version = storage::roster::remove(&host.db, account.id, jid.as_str()).await?.unwrap_or(roster.version);
    roster.version = version;
    roster.items.remove(jid);
    if seen {
        push(host, account, version, removed_xml(jid.as_str()));
    }
    Ok(())
}

/// A roster push to every interested session (RFC 6121 §2.1.6).
fn push(host: &Host, account: &Account, version: i64, item: Xml) {
    let query = Xml::new("query", ns::ROSTER).attr("ver", version.to_string()).child(item).to_string();
    for session in host.sessions.of(account.localpart()) {
        if session.wants_roster.load(Ordering::Relaxed) {
            session.deliver(crate::sessions::Delivery::urgent(push_xml(&session.jid, &query)));
        }
    }
}

/// An IQ set from the account to one of its sessions.
fn push_xml(to: &jid::FullJid, payload: &str) -> String {
    Xml::bare("iq")
        .attr("to", to.as_str())
        .attr("type", "set")
        .attr("id", crate::c2s::random_id())
        .raw(payload)
        .to_string()
}

/// An account is about to be deleted: its contacts lose their subscriptions as if its user had cancelled them.
pub async fn account_removed(host: &Arc<Host>, account: &Arc<Account>) -> Result<(), storage::Error> {
    let contacts: Vec<(BareJid, State)> = account
        .with_roster(&host.db, async |roster| {
            Ok(roster.items().map(|(jid, item)| (jid.clone(), state_of(item))).collect())
        })
        .await?;
    for (jid, state) in contacts {
        presence::cancel_subscriptions(host, account, &jid, state).await?;
    }
    Ok(())
}

/// The subscription stanza a presence type stands for.
pub(crate) fn action_of(kind: PresenceType) -> Option<Action> {
    Some(match kind {
        PresenceType::Subscribe => Action::Subscribe,
        PresenceType::Subscribed => Action::Subscribed,
        PresenceType::Unsubscribe => Action::Unsubscribe,
        PresenceType::Unsubscribed => Action::Unsubscribed,
        _ => return None,
    })
}

/// Whether `contact` receives the presence of the account's user.
pub async fn is_subscriber(host: &Host, account: &Account, contact: &Jid) -> Result<bool, storage::Error> {
    let contact = contact.to_bare();
    account
        .with_roster(&host.db, async |roster| {
            Ok(roster.item(&contact).is_some_and(|item| item.subscription.has_from()))
        })
        .await
}
