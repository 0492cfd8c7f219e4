//! Accounts: who may log in, and with which keys (RFC 5802, RFC 7677), when they
//! were last seen (XEP-0012), and how an account goes away.

use std::fmt;

use bytes::Bytes;

use crate::{
    Db, Error, Outcome, Row, Statement, Value, devices, limits,
    seal::{self, DataKey, Fields, Hash, Opened, Place, Table},
    uploads,
};

/// An account in this database. An id is never used for a second account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(
    /// The database's number; positive.
    pub i64,
);

/// What the server keeps to verify a password over SCRAM, and to prove that it
/// does. Never the password or the salted password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Random bytes, one choice per account.
    pub salt: Bytes,
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// `StoredKey` of RFC 5802 §3.
    pub stored_key: Bytes,
    /// `ServerKey` of RFC 5802 §3.
    pub server_key: Bytes,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The keys of one password for each hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// For SCRAM-SHA-1.
    pub sha1: ScramKeys,
    /// For SCRAM-SHA-256.
    pub sha256: ScramKeys,
}

/// The end of an account's last session (XEP-0012).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The status of the last unavailable presence.
    pub status: Option<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id, the owner in every other table.
    pub id: AccountId,
    /// Normalised localpart.
    pub localpart: String,
    /// Its keys.
    pub credentials: Credentials,
    /// Unix time in milliseconds.
    pub created_at_ms: i64,
    /// A disabled account cannot log in, and keeps everything.
    pub disabled: bool,
    /// `None` if it never was online.
    pub last_seen: Option<LastSeen>,
    /// The newest version of its roster; see [`roster`](crate::roster).
    pub roster_version: i64,
}

/// Changes nothing, and has [`rotate`](crate::rotate) wait until the account is there to be seen.
const HOLD_MASTER: &str = "UPDATE deployment_keys SET master = ? WHERE id = 1 AND master = ?";
/// Nothing is inserted while another master key wraps new keys.
const INSERT: &str = "\
INSERT INTO accounts (localpart_hash, localpart, wrapped_key, credentials, one_hash, created_at_ms, roster_version)
SELECT ?, ?, ?, ?, ?, ?, ? FROM deployment_keys WHERE id = 1 AND master = ?";

/// Creates an account and returns its id, or `None` if the localpart is taken.
/// `localpart` must be normalised.
pub async fn create(
    db: &Db,
    localpart: &str,
    credentials: &Credentials,
    now_ms: i64,
) -> Result<Option<AccountId>, Error> {
    match insert(db, localpart, credentials, now_ms).await {
        // Somebody has rotated the master key.
        Err(Error::MasterKey { .. }) => {
            db.keys().reread().await;
            insert(db, localpart, credentials, now_ms).await
        }
        done => done,
    }
}

async fn insert(db: &Db, localpart: &str, credentials: &Credentials, now_ms: i64) -> Result<Option<AccountId>, Error> {
    let hash = db.keys().localpart(localpart);
    let new = db.keys().create(hash)?;
    // A roster's versions start at the time, so that an account created again
    // under the name never repeats a version that a client still remembers.
    let hold = [new.master.into(), new.master.into()];
    let params: [Value; 8] = [
        hash.into(),
        seal_localpart(db.keys().deployment(), hash, localpart)?,
        new.wrapped.into(),
        seal_credentials(&new.key, hash, credentials)?,
        one_hash(credentials),
        now_ms.into(),
        now_ms.into(),
        new.master.into(),
    ];
    let batch = vec![
        Statement::new(HOLD_MASTER, hold),
        Statement::new(INSERT, params),
        Statement::new(ID, [hash.into()]),
        Statement::new(MASTER, []),
    ];
    let outcomes = match db.write(batch).await {
        Err(error) if error.is_conflict() => return Ok(None),
        outcomes => outcomes?,
    };
    let [_held, inserted, id, master] = <[Outcome; 4]>::try_from(outcomes).unwrap_or_default();
    if inserted.rows_affected == 0 {
        if id.into_row().is_some() {
            return Ok(None);
        }
        let master = master.into_row().map(|mut row| row.blob()).transpose()?.unwrap_or_default();
        return Err(seal::unknown(&master));
    }
    id.into_row().map(read_id).transpose()
}

const ID: &str = "SELECT id FROM accounts WHERE localpart_hash = ?";
const MASTER: &str = "SELECT master FROM deployment_keys WHERE id = 1";

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT id, localpart_hash, localpart, wrapped_key, credentials,
             created_at_ms, disabled, last_seen_ms, last_status, roster_version
             FROM accounts ",
            $rest
        )
    };
}

/// The account with this normalised localpart.
pub async fn by_localpart(db: &Db, localpart: &str) -> Result<Option<Account>, Error> {
    let hash = db.keys().localpart(localpart);
    let statement = Statement::new(select_accounts!("WHERE localpart_hash = ?"), [hash.into()]);
    match db.query_one(statement).await? {
        Some(row) => read(db, row).await.map(Some),
        None => Ok(None),
    }
}

/// The account with this id.
pub async fn by_id(db: &Db, id: AccountId) -> Result<Option<Account>, Error> {
    let sql = select_accounts!("WHERE id = ? AND localpart_hash IS NOT NULL");
    match db.query_one(Statement::new(sql, [id.into()])).await? {
        Some(row) => read(db, row).await.map(Some),
        None => Ok(None),
    }
}

/// Up to `limit` accounts in the order in which they were created, those after
/// `after`. Their names are sealed, so nobody can sort by them.
pub async fn list(db: &Db, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Error> {
    let sql = select_accounts!("WHERE id > ? AND localpart_hash IS NOT NULL ORDER BY id LIMIT ?");
    let rows = db.query(Statement::new(sql, [after.unwrap_or(AccountId(0)).into(), limit.into()])).await?;
    let mut accounts = Vec::with_capacity(rows.len());
    for row in rows {
        accounts.push(read(db, row).await?);
    }
    Ok(accounts)
}

/// How many accounts there are, disabled ones included.
pub async fn count(db: &Db) -> Result<u64, Error> {
    let statement = Statement::new("SELECT COUNT(*) FROM accounts WHERE localpart_hash IS NOT NULL", []);
    db.query_one(statement).await?.map_or(Ok(0), |mut row| row.count())
}

/// Replaces the keys, and with them ends what the old ones allowed: the tokens of
/// its [`devices`]. False if there is no such account.
pub async fn set_credentials(db: &Db, id: AccountId, credentials: &Credentials) -> Result<bool, Error> {
    let hash = "SELECT localpart_hash FROM accounts WHERE id = ? AND localpart_hash IS NOT NULL";
    let (key, row) = (db.key(id).await?, db.query_one(Statement::new(hash, [id.into()])).await?);
    let (Some(key), Some(mut row)) = (key, row) else { return Ok(false) };
    let sealed = seal_credentials(&key, Hash::read(&mut row)?, credentials)?;
    let sql = "UPDATE accounts SET credentials = ?, one_hash = ? WHERE id = ? AND localpart_hash IS NOT NULL";
    let mut batch = vec![Statement::new(sql, [sealed, one_hash(credentials), id.into()])];
    batch.extend(devices::password_changed(id));
    Ok(db.write(batch).await?.first().is_some_and(|outcome| outcome.rows_affected > 0))
}

/// Whether there are accounts that came from another server with keys for one hash alone: their users can log in with
/// that one only.
pub async fn some_have_one_hash(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM accounts WHERE one_hash = 1 LIMIT 1";
    Ok(db.query_one(Statement::new(sql, [])).await?.is_some())
}

/// Keeps an account from logging in, or lets it again; false if there is none.
pub async fn set_disabled(db: &Db, id: AccountId, disabled: bool) -> Result<bool, Error> {
    let sql = "UPDATE accounts SET disabled = ? WHERE id = ? AND localpart_hash IS NOT NULL";
    Ok(db.execute(Statement::new(sql, [disabled.into(), id.into()])).await?.rows_affected > 0)
}

/// Notes the end of the account's last session, without waiting for the commit.
pub async fn touch_last_seen(db: &Db, id: AccountId, last_seen: LastSeen) -> Result<(), Error> {
    let sql = "UPDATE accounts SET last_seen_ms = ?, last_status = ? WHERE id = ? AND localpart_hash IS NOT NULL";
    let Some(key) = db.key(id).await? else { return Ok(()) };
    let status = last_seen.status.as_deref().map(|status| seal_status(&key, id, status)).transpose()?;
    let params = [last_seen.at_ms.into(), status.into(), id.into()];
    db.submit(vec![Statement::new(sql, params)]).await
}

/// Deletes an account and all it owns; false if there is none. Its sessions must
/// have ended.
///
/// First its keys and name go, durably: what it owns cannot be opened from then
/// on. Then its rows go, in bounded steps. What an interruption leaves,
/// [`finish_deletions`] removes.
pub async fn delete(db: &Db, id: AccountId) -> Result<bool, Error> {
    let sql = "\
UPDATE accounts SET localpart_hash = NULL, localpart = NULL, wrapped_key = NULL, credentials = NULL,
    one_hash = NULL, last_status = NULL, disabled = 1
WHERE id = ? AND localpart_hash IS NOT NULL";
    let gone = db.execute(Statement::new(sql, [id.into()])).await;
    db.keys().forget(id);
    if gone?.rows_affected == 0 {
        return Ok(false);
    }
    remove_rows(db, id).await?;
    Ok(true)
}

/// Completes deletions that were interrupted, and returns how many. Run it at
/// each start; nobody has to wait for it.
pub async fn finish_deletions(db: &Db) -> Result<u64, Error> {
    let sql = "SELECT id FROM accounts WHERE localpart_hash IS NULL ORDER BY id LIMIT 1";
    let mut finished = 0;
    while let Some(row) = db.query_one(Statement::new(sql, [])).await? {
        remove_rows(db, read_id(row)?).await?;
        finished += 1;
    }
    Ok(finished)
}

/// A table whose rows of one owner may be many: how to find the last id of a
/// step, and how to delete up to it.
pub(crate) struct Mailbox {
    pub(crate) step: &'static str,
    pub(crate) delete: &'static str,
}

pub(crate) const MAILBOXES: [Mailbox; 3] = [
    Mailbox {
        step: "SELECT id FROM archive /*!FORCE INDEX (PRIMARY)*/ WHERE owner = ? ORDER BY id LIMIT 1 OFFSET ?",
        delete: "DELETE FROM archive WHERE owner = ? AND id <= ?",
    },
    Mailbox {
        step: "SELECT id FROM transient WHERE owner = ? ORDER BY id LIMIT 1 OFFSET ?",
        delete: "DELETE FROM transient WHERE owner = ? AND id <= ?",
    },
    Mailbox {
        step: "SELECT id FROM undelivered WHERE owner = ? ORDER BY id LIMIT 1 OFFSET ?",
        delete: "DELETE FROM undelivered WHERE owner = ? AND id <= ?",
    },
];

/// What is small enough to go at once, the account's row last.
const REMAINDERS: [&str; 12] = [
    "DELETE FROM roster WHERE owner = ?",
    "DELETE FROM roster_removals WHERE owner = ?",
    "DELETE FROM archive_prefs WHERE owner = ?",
    "DELETE FROM blocklist WHERE owner = ?",
    "DELETE FROM private_xml WHERE owner = ?",
    "DELETE FROM vcards WHERE owner = ?",
    "DELETE FROM pubsub_items WHERE owner = ?",
    "DELETE FROM pubsub_nodes WHERE owner = ?",
    "DELETE FROM devices WHERE owner = ?",
    "DELETE FROM device_tokens WHERE owner = ?",
    "DELETE FROM invites WHERE owner = ?",
    "DELETE FROM accounts WHERE id = ? AND localpart_hash IS NULL",
];

async fn remove_rows(db: &Db, id: AccountId) -> Result<(), Error> {
    for mailbox in &MAILBOXES {
        loop {
            let step = Statement::new(mailbox.step, [id.into(), limits::DELETE_STEP_ROWS.into()]);
            let last = db.query_one(step).await?.map(|mut row| row.int()).transpose()?;
            db.execute(Statement::new(mailbox.delete, [id.into(), last.unwrap_or(i64::MAX).into()])).await?;
            if last.is_none() {
                break;
            }
        }
    }
    uploads::abandon(db, id).await?;
    let batch = REMAINDERS.iter().map(|sql| Statement::new(sql, [id.into()])).collect();
    db.write(batch).await?;
    Ok(())
}

/// The column `one_hash`.
fn one_hash(credentials: &Credentials) -> Value {
    let is_missing = |keys: &ScramKeys| keys.iterations == 0;
    if is_missing(&credentials.sha1) == is_missing(&credentials.sha256) { Value::Null } else { Value::Int(1) }
}

fn read_id(mut row: Row) -> Result<AccountId, Error> {
    row.int().map(AccountId)
}

async fn read(db: &Db, mut row: Row) -> Result<Account, Error> {
    let (id, hash, localpart, wrapped) = (AccountId(row.int()?), Hash::read(&mut row)?, row.blob()?, row.blob()?);
    let key = db.keys().unwrap(id, &hash.0, &wrapped).await?;
    let localpart = db.keys().deployment().open(localpart_place(hash), localpart)?.text()?;
    let credentials = key.open(credentials_place(hash), row.blob()?)?;
    Ok(Account {
        id,
        localpart,
        credentials: read_credentials(credentials)?,
        created_at_ms: row.int()?,
        disabled: row.bool()?,
        last_seen: match (row.opt_int()?, row.opt_blob()?) {
            (Some(at_ms), status) => {
                let status = status.map(|sealed| key.open(status_place(id), sealed)?.text()).transpose()?;
                Some(LastSeen { at_ms, status })
            }
            (None, _) => None,
        },
        roster_version: row.int()?,
    })
}

pub(crate) fn seal_localpart(deployment: &DataKey, hash: Hash, localpart: &str) -> Result<Value, Error> {
    deployment.seal(localpart_place(hash), Fields::new(localpart.len()).text(localpart))
}

pub(crate) fn seal_credentials(key: &DataKey, hash: Hash, credentials: &Credentials) -> Result<Value, Error> {
    let fields = [&credentials.sha1, &credentials.sha256].into_iter().fold(Fields::new(160), |fields, keys| {
        let fields = fields.bytes(&keys.salt).bytes(&keys.iterations.to_be_bytes());
        fields.bytes(&keys.stored_key).bytes(&keys.server_key)
    });
    key.seal(credentials_place(hash), fields)
}

pub(crate) fn seal_status(key: &DataKey, id: AccountId, status: &str) -> Result<Value, Error> {
    key.seal(status_place(id), Fields::new(status.len()).text(status))
}

fn localpart_place(hash: Hash) -> Place {
    Place::unnumbered(Table::Localpart, hash)
}

fn credentials_place(hash: Hash) -> Place {
    Place::unnumbered(Table::Credentials, hash)
}

fn status_place(id: AccountId) -> Place {
    Place::only(Table::LastStatus, id)
}

fn read_credentials(mut opened: Opened) -> Result<Credentials, Error> {
    Ok(Credentials { sha1: read_keys(&mut opened)?, sha256: read_keys(&mut opened)? })
}

fn read_keys(opened: &mut Opened) -> Result<ScramKeys, Error> {
    let (salt, iterations) = (opened.bytes()?, opened.bytes()?);
    let iterations = iterations.as_ref().try_into().map_err(|_| Error::Corrupt("iterations out of range".into()))?;
    Ok(ScramKeys {
        salt,
        iterations: u32::from_be_bytes(iterations),
        stored_key: opened.bytes()?,
        server_key: opened.bytes()?,
    })
}
