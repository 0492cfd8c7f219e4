//! Accounts in use: one shared object per account, so that its caches and its roster lock are one for all its
//! sessions and for everyone who writes to it. The database is the truth; [`Accounts::refresh`] follows it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jid::{BareJid, Jid};
use parking_lot::RwLock;
use storage::accounts::Account as Row;
use storage::archive_prefs::{self, ArchivePrefs};
use storage::{AccountId, Db, blocklist, roster};

use crate::pep::{HeldNodes, Nodes, Photo};
use crate::roster::Roster;

const SHARDS: usize = 64;
/// Accounts kept per shard before those nobody uses are let go.
const SHARD_ACCOUNTS_MIN: usize = 256;

/// An account of this server and what is cached of it.
pub struct Account {
    /// Its key in the database.
    pub id: AccountId,
    /// Its bare JID.
    pub jid: BareJid,
    /// Its roster; the lock also orders the changes made to it.
    pub roster: tokio::sync::Mutex<Option<Roster>>,
    /// What it publishes; the lock also orders that.
    nodes: tokio::sync::Mutex<Option<Box<Nodes>>>,
    photo: RwLock<Photo>,
    blocked: RwLock<Arc<HashSet<Jid>>>,
    prefs: RwLock<Arc<ArchivePrefs>>,
    disabled: AtomicBool,
    /// How many messages wait in the mailbox, about; [`UNKNOWN`] until it is counted.
    waiting: AtomicU64,
    /// How often messages were marked as delivered, which nobody waited for.
    marked: AtomicU64,
    /// Up to which of those the database is known to have it.
    settled: AtomicU64,
}

/// Not counted yet, or not any more.
const UNKNOWN: u64 = u64::MAX;

impl Account {
    /// Whether one more message may wait in the mailbox while nobody is here. Counts them once; what else arrives
    /// before somebody is here is added up.
    pub async fn has_room_for_one_more(&self, db: &Db, max: u64) -> Result<bool, storage::Error> {
        let mut waiting = self.waiting.load(Ordering::Relaxed);
        if waiting == UNKNOWN {
            waiting = storage::undelivered::count(db, self.id).await?;
        }
        self.waiting.store(waiting.saturating_add(1), Ordering::Relaxed);
        Ok(waiting < max)
    }

    /// Somebody is here, and takes messages out of the mailbox. To be said before and after the write, which is not
    /// waited for: see [`Account::settle`].
    pub fn mailbox_is_emptied(&self) {
        self.waiting.store(UNKNOWN, Ordering::Relaxed);
        self.marked.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns once the database shows every message as delivered that was marked so. Mostly there is nothing to wait
    /// for: others' writes do not matter.
    pub async fn settle(&self, db: &Db) -> Result<(), storage::Error> {
        let marked = self.marked.load(Ordering::Acquire);
        if self.settled.load(Ordering::Acquire) < marked {
            db.settle().await?;
            self.settled.fetch_max(marked, Ordering::AcqRel);
        }
        Ok(())
    }

    /// The localpart, the name of the account.
    pub fn localpart(&self) -> &str {
        self.jid.node().map_or("", |node| node.as_str())
    }

    /// Whether the account's owner has blocked `jid` (XEP-0191 §3.1: by full JID, bare JID, domain with resource,
    /// or domain).
    pub fn has_blocked(&self, jid: &Jid) -> bool {
        let blocked = self.blocked.read();
        if blocked.is_empty() || jid.to_bare() == self.jid {
            return false;
        }
        let domain = BareJid::from_parts(None, jid.domain());
        let domain_resource = jid.resource().map(|resource| Jid::from(domain.with_resource(resource)));
        blocked.contains(jid)
            || blocked.contains(&Jid::from(jid.to_bare()))
            || domain_resource.is_some_and(|jid| blocked.contains(&jid))
            || blocked.contains(&Jid::from(domain))
    }

    /// The JIDs its owner has blocked.
    pub fn blocked(&self) -> Arc<HashSet<Jid>> {
        self.blocked.read().clone()
    }

    /// Replaces the cached block list after the database has it.
    pub fn set_blocked(&self, blocked: HashSet<Jid>) {
        *self.blocked.write() = Arc::new(blocked);
    }

    /// The archiving preferences (XEP-0441).
    pub fn prefs(&self) -> Arc<ArchivePrefs> {
        self.prefs.read().clone()
    }

    /// Replaces the cached preferences after the database has them.
    pub fn set_prefs(&self, prefs: ArchivePrefs) {
        *self.prefs.write() = Arc::new(prefs);
    }

    /// Whether an operator has disabled the account: it exists, and nobody can log in.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// SHA-1 of its vCard's photo, in hex, looked up when it was not.
    pub async fn photo(&self, db: &Db) -> Result<Option<Arc<str>>, storage::Error> {
        if let Photo::Known(hash) = &*self.photo.read() {
            return Ok(hash.clone());
        }
        let hash: Option<Arc<str>> =
            storage::vcards::load(db, self.id).await?.and_then(|vcard| vcard.photo_sha1).map(Arc::from);
        let mut photo = self.photo.write();
        // Somebody may have stored another one meanwhile.
        if *photo == Photo::Unknown {
            *photo = Photo::Known(hash);
        }
        match &*photo {
            Photo::Known(hash) => Ok(hash.clone()),
            Photo::Unknown => Ok(None),
        }
    }

    /// Replaces what is cached of the photo after the database has it.
    pub fn set_photo(&self, hash: Option<Arc<str>>) {
        *self.photo.write() = Photo::Known(hash);
    }

    /// The nodes, loaded when they were not; nobody else has them meanwhile.
    pub async fn hold_nodes(&self, db: &Db) -> Result<HeldNodes<'_>, storage::Error> {
        let mut slot = self.nodes.lock().await;
        let nodes = match slot.take() {
            Some(nodes) => nodes,
            None => Box::new(Nodes::load(db, self.id).await?),
        };
        Ok(HeldNodes { slot, nodes })
    }

    /// What `read` finds in the nodes.
    pub async fn read_nodes<T>(&self, db: &Db, read: impl FnOnce(&Nodes) -> T) -> Result<T, storage::Error> {
        let held = self.hold_nodes(db).await?;
        let found = read(&held.nodes);
        held.put_back();
        Ok(found)
    }

    /// Runs `change` on the roster, loaded when it was not, while nobody else changes it.
    pub async fn with_roster<T>(
        &self,
        db: &Db,
        change: impl AsyncFnOnce(&mut Roster) -> Result<T, storage::Error>,
    ) -> Result<T, storage::Error> {
        let mut guard = self.roster.lock().await;
        let mut loaded = match guard.take() {
            Some(roster) => roster,
            None => Roster::from_stored(roster::load(db, self.id).await?),
        };
        // A failed change leaves the cache empty: the next use reads what the database really has.
        let result = change(&mut loaded).await?;
        *guard = Some(loaded);
        Ok(result)
    }
}

/// The accounts in use, by localpart.
pub struct Accounts {
    shards: Vec<RwLock<Shard>>,
    hasher: RandomState,
    one_hash: AtomicBool,
}

#[derive(Default)]
struct Shard {
    accounts: HashMap<String, Arc<Account>>,
    sweep_at: usize,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            one_hash: AtomicBool::new(false),
        }
    }
}

impl Accounts {
    /// Looks for accounts that were imported with keys for one hash alone.
    pub async fn look_for_one_hash(&self, db: &Db) -> Result<(), storage::Error> {
        self.one_hash.store(storage::accounts::some_have_one_hash(db).await?, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there were such accounts when they were looked for last.
    pub fn some_have_keys_for_one_hash(&self) -> bool {
        self.one_hash.load(Ordering::Relaxed)
    }

    /// The account with that bare JID, read from the database when it is not at hand. None: there is none.
    pub async fn find(&self, db: &Db, jid: &BareJid) -> Result<Option<Arc<Account>>, storage::Error> {
        let Some(localpart) = jid.node().map(|node| node.as_str()) else { return Ok(None) };
        if let Some(account) = self.shard(localpart).read().accounts.get(localpart) {
            return Ok(Some(account.clone()));
        }
        let Some(row) = storage::accounts::by_localpart(db, localpart).await? else { return Ok(None) };
        self.adopt(db, jid, &row).await.map(Some)
    }

    /// The account of a row that was just read.
    pub async fn adopt(&self, db: &Db, jid: &BareJid, row: &Row) -> Result<Arc<Account>, storage::Error> {
        let shard = self.shard(&row.localpart);
        if let Some(account) = shard.read().accounts.get(&row.localpart) {
            return Ok(account.clone());
        }
        let blocked = blocklist::list(db, row.id).await?;
        let prefs = archive_prefs::load(db, row.id).await?.unwrap_or_default();
        let account = Arc::new(Account {
            id: row.id,
            jid: jid.clone(),
            roster: tokio::sync::Mutex::new(None),
            nodes: tokio::sync::Mutex::new(None),
            photo: RwLock::default(),
            blocked: RwLock::new(Arc::new(blocked.iter().filter_map(|jid| Jid::new(jid).ok()).collect())),
            prefs: RwLock::new(Arc::new(prefs)),
            disabled: AtomicBool::new(row.disabled),
            waiting: AtomicU64::new(UNKNOWN),
            marked: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        });
        let mut shard = shard.write();
        if shard.accounts.len() >= shard.sweep_at.max(SHARD_ACCOUNTS_MIN) {
            shard.accounts.retain(|_, account| Arc::strong_count(account) > 1);
            shard.sweep_at = shard.accounts.len() * 2;
        }
        // Someone else may have been faster; all must share one.
        Ok(shard.accounts.entry(row.localpart.clone()).or_insert(account).clone())
    }

    /// An account was changed behind our back. Its sessions keep the one object they share.
    pub async fn refresh(&self, db: &Db, localpart: &str) -> Result<(), storage::Error> {
        let Some(account) = self.shard(localpart).read().accounts.get(localpart).cloned() else { return Ok(()) };
        match storage::accounts::by_localpart(db, localpart).await? {
            Some(row) if row.id == account.id => account.disabled.store(row.disabled, Ordering::Relaxed),
            _ => self.forget(localpart),
        }
        Ok(())
    }

    /// All that is the account's may have changed behind our back, what is cached of it too.
    pub async fn reload(&self, db: &Db, localpart: &str) -> Result<(), storage::Error> {
        let row = storage::accounts::by_localpart(db, localpart).await?;
        if row.is_some_and(|row| (row.credentials.sha1.iterations == 0) != (row.credentials.sha256.iterations == 0)) {
            self.one_hash.store(true, Ordering::Relaxed);
        }
        self.refresh(db, localpart).await?;
        let Some(account) = self.shard(localpart).read().accounts.get(localpart).cloned() else { return Ok(()) };
        *account.nodes.lock().await = None;
        *account.photo.write() = Photo::Unknown;
        let mut roster = account.roster.lock().await;
        *roster = None;
        account
            .set_blocked(blocklist::list(db, account.id).await?.iter().filter_map(|jid| Jid::new(jid).ok()).collect());
        account.set_prefs(archive_prefs::load(db, account.id).await?.unwrap_or_default());
        account.mailbox_is_emptied();
        Ok(())
    }

    /// Drops an account that is no more.
    pub fn forget(&self, localpart: &str) {
        self.shard(localpart).write().accounts.remove(localpart);
    }

    #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the number of shards")]
    fn shard(&self, localpart: &str) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(localpart) as usize % SHARDS]
    }
}
