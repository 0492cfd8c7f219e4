//! The keys of an open database: the deployment's, and those of the accounts in use.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;
use quick_cache::sync::Cache;

use super::{
    Fingerprint, Hash, Kind, MasterKeys,
    data_key::{Compact, DataKey, KEY_BYTES, derive, random},
};
use crate::{AccountId, Db, Error, Statement, limits};

pub(super) const DEPLOYMENT: &[u8] = b"deployment";
const ACCOUNT_KEY: &str = "SELECT localpart_hash, wrapped_key FROM accounts WHERE id = ? AND wrapped_key IS NOT NULL";

/// Reads the master keys again where they come from; blocks.
#[derive(Clone)]
pub struct Reread(Arc<dyn Fn() -> Result<MasterKeys, String> + Send + Sync>);

impl Reread {
    /// Reads by this function, whose error is one line for the log.
    pub fn new(read: impl Fn() -> Result<MasterKeys, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// A deployment's key with what is stored of it.
pub(crate) struct DeploymentKey {
    pub(super) secret: [u8; KEY_BYTES],
    pub(super) key: DataKey,
}

impl DeploymentKey {
    /// A new one, and its wrapped form for the database.
    pub(super) fn create(master: &MasterKeys) -> Result<(Self, Bytes), Error> {
        let secret = random()?;
        let wrapped = master.wrap(&secret, DEPLOYMENT)?;
        Ok((Self { secret, key: DataKey::new(&secret, master.plain)? }, wrapped))
    }

    /// The one of the database.
    ///
    /// # Errors
    /// [`Error::MasterKey`] when these are not the keys of this database.
    pub(crate) fn open(master: &MasterKeys, wrapped: &[u8]) -> Result<Self, Error> {
        let secret = master.unwrap(wrapped, DEPLOYMENT)?.ok_or_else(|| unknown(wrapped))?;
        Ok(Self { secret, key: DataKey::new(&secret, master.plain)? })
    }

    /// What a localpart is looked up by.
    pub(super) fn localpart(&self, localpart: &str) -> Hash {
        self.key.hash(Kind::Localpart, &[localpart.as_bytes()])
    }
}

/// Stores a new deployment key where there is none.
pub(crate) fn create_deployment_key(master: &MasterKeys) -> Result<Statement, Error> {
    let sql = "INSERT INTO deployment_keys (id, master, wrapped) VALUES (1, ?, ?) ON CONFLICT DO NOTHING";
    let (_, wrapped) = DeploymentKey::create(master)?;
    Ok(Statement::new(sql, [master.fingerprint()?.into(), wrapped.into()]))
}

/// The keys.
pub(crate) struct Keyring {
    deployment: DeploymentKey,
    master: RwLock<MasterKeys>,
    reread: Option<Reread>,
    accounts: Cache<AccountId, Compact>,
    ready: Cache<AccountId, Arc<DataKey>>,
}

/// A new account's key, to be stored with it.
pub(crate) struct NewKey {
    pub(crate) key: DataKey,
    /// The master key that wrapped it.
    pub(crate) master: Fingerprint,
    pub(crate) wrapped: Bytes,
}

impl Keyring {
    pub(crate) fn new(deployment: DeploymentKey, master: MasterKeys, reread: Option<Reread>) -> Self {
        let (accounts, ready) = (Cache::new(limits::ACCOUNT_KEYS_MAX), Cache::new(limits::ACCOUNT_KEYS_READY_MAX));
        Self { deployment, master: RwLock::new(master), reread, accounts, ready }
    }

    /// The deployment's key.
    pub(crate) fn deployment(&self) -> &DataKey {
        &self.deployment.key
    }

    /// What a localpart is looked up by.
    pub(crate) fn localpart(&self, localpart: &str) -> Hash {
        self.deployment.localpart(localpart)
    }

    /// A lasting secret of the deployment for one purpose, the same whatever the master key.
    pub(crate) fn secret(&self, purpose: &str) -> Result<[u8; 32], Error> {
        derive(&self.deployment.secret, &format!("secret: {purpose}"))
    }

    /// The master keys in use.
    pub(super) fn master(&self) -> MasterKeys {
        self.master.read().clone()
    }

    /// A key for an account that is about to be created.
    pub(crate) fn create(&self, localpart: Hash) -> Result<NewKey, Error> {
        NewKey::create(&self.master(), localpart)
    }

    /// The key of an account, or `None` if there is no such account, or it is being deleted.
    pub(crate) async fn of(&self, db: &Db, owner: AccountId) -> Result<Option<Arc<DataKey>>, Error> {
        if let Some(key) = self.at_hand(owner)? {
            return Ok(Some(key));
        }
        let Some(mut row) = db.query_one(Statement::new(ACCOUNT_KEY, [owner.into()])).await? else { return Ok(None) };
        let (localpart_hash, wrapped) = (row.blob()?, row.blob()?);
        self.unwrap(owner, &localpart_hash, &wrapped).await.map(Some)
    }

    /// The key of an account whose row was read.
    pub(crate) async fn unwrap(
        &self,
        owner: AccountId,
        localpart_hash: &[u8],
        wrapped: &[u8],
    ) -> Result<Arc<DataKey>, Error> {
        if let Some(key) = self.at_hand(owner)? {
            return Ok(key);
        }
        let mut secret = self.master().unwrap(wrapped, localpart_hash)?;
        if secret.is_none() {
            self.reread().await;
            secret = self.master().unwrap(wrapped, localpart_hash)?;
        }
        let secret = secret.ok_or_else(|| unknown(wrapped))?;
        let key = Compact::new(&secret, self.master.read().plain)?;
        self.accounts.insert(owner, key.clone());
        self.make_ready(owner, &key)
    }

    fn at_hand(&self, owner: AccountId) -> Result<Option<Arc<DataKey>>, Error> {
        if let Some(key) = self.ready.get(&owner) {
            return Ok(Some(key));
        }
        self.accounts.get(&owner).map(|key| self.make_ready(owner, &key)).transpose()
    }

    fn make_ready(&self, owner: AccountId, key: &Compact) -> Result<Arc<DataKey>, Error> {
        let key = Arc::new(key.prepare()?);
        self.ready.insert(owner, Arc::clone(&key));
        Ok(key)
    }

    /// Forgets the key of an account that is gone.
    pub(crate) fn forget(&self, owner: AccountId) {
        self.accounts.remove(&owner);
        self.ready.remove(&owner);
    }

    /// Whether a master key is at hand, perhaps only after reading them again.
    pub(crate) async fn has(&self, fingerprint: Fingerprint) -> bool {
        if !self.master().fingerprints().contains(&fingerprint) {
            self.reread().await;
        }
        self.master().fingerprints().contains(&fingerprint)
    }

    /// Somebody has rotated the master key: reads it again where it comes from.
    pub(crate) async fn reread(&self) {
        let Some(Reread(read)) = self.reread.clone() else { return };
        match tokio::task::spawn_blocking(move || read()).await {
            Ok(Ok(keys)) => *self.master.write() = keys,
            Ok(Err(problem)) => tracing::error!(problem, "the master key could not be read again"),
            Err(_) => tracing::error!("the master key was not read again"),
        }
    }
}

impl NewKey {
    pub(super) fn create(master: &MasterKeys, localpart: Hash) -> Result<Self, Error> {
        let secret = random()?;
        let wrapped = master.wrap(&secret, &localpart.0)?;
        Ok(Self { key: DataKey::new(&secret, master.plain)?, master: master.fingerprint()?, wrapped })
    }
}

/// No master key that is at hand opens this.
pub(crate) fn unknown(wrapped: &[u8]) -> Error {
    match Fingerprint::of_wrapped(wrapped) {
        Some(fingerprint) => Error::MasterKey { fingerprint },
        None => Error::Corrupt("a wrapped key is too short".into()),
    }
}
