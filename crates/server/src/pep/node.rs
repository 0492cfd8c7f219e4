//! The nodes of an account as they are cached: how each is configured, and who has to do with it.

use std::collections::BTreeMap;

use jid::{BareJid, Jid};
use storage::{AccountId, Db, pubsub};
use tokio::sync::MutexGuard;
use xmpp::xep::pubsub::{Affiliation, Config, MaxItems};

use super::Failure;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// How it is configured.
    pub config: Config,
    /// Those who have an affiliation, but for the account's own.
    pub affiliations: BTreeMap<BareJid, Affiliation>,
    /// Who is subscribed by request, and the id of each subscription.
    pub subscriptions: Vec<(Jid, String)>,
}

/// The nodes of an account, by name.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: BTreeMap<String, Node>,
    /// Bytes of all payloads, at most; `None` until they were counted.
    bytes: Option<u64>,
}

/// The nodes of an account, while nobody else has them. Whoever does not put them back, because the database failed or
/// the task was dropped, leaves it to the next one to read them again.
pub struct HeldNodes<'a> {
    pub(crate) slot: MutexGuard<'a, Option<Box<Nodes>>>,
    pub(crate) nodes: Box<Nodes>,
}

impl HeldNodes<'_> {
    /// They are as the database has them.
    pub fn put_back(mut self) {
        *self.slot = Some(self.nodes);
    }

    /// Puts them back unless the database failed.
    pub(super) fn put_back_after<T>(self, done: Result<T, Failure>) -> Result<T, Failure> {
        if !matches!(done, Err(Failure::Storage(_))) {
            self.put_back();
        }
        done
    }
}

impl Node {
    /// From what the database holds. What is not understood any more has its default.
    pub fn from_stored(stored: &pubsub::Node) -> Self {
        let mut config = Config::default();
        for (var, value) in &stored.config {
            if var == "pubsub#roster_groups_allowed" {
                config.roster_groups.push(value.clone());
            } else {
                // Whatever is refused was allowed once: the default stands in.
                let _ = config.set(var, std::slice::from_ref(value), u32::MAX);
            }
        }
        let affiliations = stored.affiliations.iter();
        let affiliations =
            affiliations.filter_map(|(jid, name)| Some((BareJid::new(jid).ok()?, Affiliation::parse(name)?)));
        let subscriptions = stored.subscriptions.iter();
        let subscriptions = subscriptions.filter_map(|(jid, subid)| Some((Jid::new(jid).ok()?, subid.clone())));
        Self { config, affiliations: affiliations.collect(), subscriptions: subscriptions.collect() }
    }

    /// As the database is to hold it.
    pub fn to_stored(&self, name: &str) -> pubsub::Node {
        let affiliations = self.affiliations.iter();
        let subscriptions = self.subscriptions.iter();
        pubsub::Node {
            name: name.to_owned(),
            config: self.config.fields().into_iter().map(|(var, value)| (var.to_owned(), value)).collect(),
            affiliations: affiliations.map(|(jid, kind)| (jid.to_string(), kind.as_str().to_owned())).collect(),
            subscriptions: subscriptions.map(|(jid, subid)| (jid.to_string(), subid.clone())).collect(),
        }
    }

    /// What `jid` is to the node of the account `own`.
    pub fn affiliation(&self, own: &BareJid, jid: &BareJid) -> Affiliation {
        if jid == own {
            return Affiliation::Owner;
        }
        self.affiliations.get(jid).copied().unwrap_or(Affiliation::None)
    }

    /// How many items are kept.
    pub fn keep(&self, items_max: usize) -> u32 {
        let most = u32::try_from(items_max).unwrap_or(u32::MAX);
        match self.config.max_items {
            MaxItems::Max => most,
            MaxItems::Count(count) => count.min(most),
        }
    }
}

impl Nodes {
    /// Reads them.
    pub async fn load(db: &Db, owner: AccountId) -> Result<Self, storage::Error> {
        let nodes = pubsub::nodes(db, owner).await?;
        let nodes = nodes.into_iter().map(|stored| (stored.name.clone(), Node::from_stored(&stored))).collect();
        Ok(Self { nodes, bytes: None })
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The database has this node now.
    pub fn put(&mut self, name: &str, node: Node) {
        self.nodes.insert(name.to_owned(), node);
    }

    /// The database has this node no more.
    pub fn remove(&mut self, name: &str) -> Option<Node> {
        self.nodes.remove(name)
    }

    /// Whether there is room for so many bytes more, which are counted then. What was replaced or retracted is taken
    /// off when the room seems to be used up.
    pub async fn take_room(
        &mut self,
        db: &Db,
        owner: AccountId,
        bytes: usize,
        bytes_max: u64,
    ) -> Result<bool, storage::Error> {
        let more = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut used = match self.bytes {
            Some(used) => used,
            None => pubsub::bytes(db, owner).await?,
        };
        if used.saturating_add(more) > bytes_max {
            used = pubsub::bytes(db, owner).await?;
        }
        let fits = used.saturating_add(more) <= bytes_max;
        self.bytes = Some(if fits { used.saturating_add(more) } else { used });
        Ok(fits)
    }
}
