//! The table of sessions, sharded by account: who is connected here.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use jid::FullJid;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;

use super::session::Session;
use super::sm::SmId;

const SHARDS: usize = 64;

/// The sessions of one account.
pub type Resources = SmallVec<[Arc<Session>; 2]>;

/// All sessions of this node.
pub struct Sessions {
    shards: Vec<RwLock<HashMap<String, Resources>>>,
    resumable: Vec<Mutex<HashMap<SmId, Weak<Session>>>>,
    hasher: RandomState,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            resumable: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

/// The account has as many sessions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySessions;

impl Sessions {
    /// Adds a session; one that held the same resource is taken out and given back.
    pub fn insert(
        &self,
        session: &Arc<Session>,
        per_account_max: usize,
    ) -> Result<Option<Arc<Session>>, TooManySessions> {
        let mut shard = self.shard(session.account.localpart()).write();
        let resources = shard.entry(session.account.localpart().to_owned()).or_default();
        if let Some(held) = resources.iter_mut().find(|held| held.jid == session.jid) {
            return Ok(Some(std::mem::replace(held, session.clone())));
        }
        if resources.len() >= per_account_max {
            return Err(TooManySessions);
        }
        resources.push(session.clone());
        Ok(None)
    }

    /// Takes this very session out; a later one of the same JID stays.
    pub fn remove(&self, session: &Arc<Session>) {
        let mut shard = self.shard(session.account.localpart()).write();
        if let Some(resources) = shard.get_mut(session.account.localpart()) {
            resources.retain(|held| !Arc::ptr_eq(held, session));
            if resources.is_empty() {
                shard.remove(session.account.localpart());
            }
        }
        drop(shard);
        let id = session.sm.lock().as_ref().and_then(|sm| sm.id);
        self.forget_resumable(id);
    }

    /// The session named `id` cannot be resumed any more.
    pub fn forget_resumable(&self, id: Option<SmId>) {
        if let Some(id) = id {
            self.resumable_shard(&id).lock().remove(&id);
        }
    }

    /// The sessions of an account.
    pub fn of(&self, localpart: &str) -> Resources {
        self.shard(localpart).read().get(localpart).cloned().unwrap_or_default()
    }

    /// The session with that full JID (localpart of this server's domain).
    pub fn at(&self, jid: &FullJid) -> Option<Arc<Session>> {
        let localpart = jid.node()?.as_str();
        self.shard(localpart).read().get(localpart)?.iter().find(|session| session.jid == *jid).cloned()
    }

    /// Makes a session resumable under `id`.
    pub fn set_resumable(&self, id: SmId, session: &Arc<Session>) {
        self.resumable_shard(&id).lock().insert(id, Arc::downgrade(session));
    }

    /// The session resumable under `id`.
    pub fn resumable(&self, id: &SmId) -> Option<Arc<Session>> {
        self.resumable_shard(id).lock().get(id)?.upgrade()
    }

    /// Every session, for announcements and shutdown.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.shards.iter().flat_map(|shard| shard.read().values().flatten().cloned().collect::<Vec<_>>()).collect()
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().values().map(|resources| resources.len()).sum::<usize>()).sum()
    }

    /// What is in the queues of all sessions, and in the longest one.
    pub fn queued(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(all, longest), shard| {
            let shard = shard.read();
            let queues = shard.values().flatten().map(|session| session.queued());
            queues.fold((all, longest), |(all, longest), queued| (all + queued, longest.max(queued)))
        })
    }

    /// How many names there are by which a session could be resumed.
    pub fn resumable_count(&self) -> usize {
        self.resumable.iter().map(|shard| shard.lock().len()).sum()
    }

    #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the number of shards")]
    fn shard(&self, localpart: &str) -> &RwLock<HashMap<String, Resources>> {
        &self.shards[self.hasher.hash_one(localpart) as usize % SHARDS]
    }

    #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the number of shards")]
    fn resumable_shard(&self, id: &SmId) -> &Mutex<HashMap<SmId, Weak<Session>>> {
        &self.resumable[self.hasher.hash_one(id) as usize % SHARDS]
    }
}
