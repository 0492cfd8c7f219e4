//! Accounts: who may log in, and with which keys (RFC 5802, RFC 7677), when they
//! were last seen (XEP-0012), and how an account goes away.

use std::fmt;

use bytes::Bytes;

use crate::{Db, Error, Row, Statement, Value, devices, limits};

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

const INSERT: &str = "\
INSERT INTO accounts (localpart, created_at_ms, roster_version,
    sha1_salt, sha1_iterations, sha1_stored_key, sha1_server_key,
    sha256_salt, sha256_iterations, sha256_stored_key, sha256_server_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Creates an account and returns its id, or `None` if the localpart is taken.
/// `localpart` must be normalised.
pub async fn create(
    db: &Db,
    localpart: &str,
    credentials: &Credentials,
    now_ms: i64,
) -> Result<Option<AccountId>, Error> {
    // A roster's versions start at the time, so that an account created again
    // under the name never repeats a version that a client still remembers.
    let mut params: Vec<Value> = vec![localpart.into(), now_ms.into(), now_ms.into()];
    push_keys(&mut params, credentials);
    let batch = vec![
        Statement::new(INSERT, params),
        Statement::new("SELECT id FROM accounts WHERE localpart = ?", [localpart.into()]),
    ];
    match db.write(batch).await {
        Ok(mut outcomes) => outcomes.pop().and_then(|outcome| outcome.into_row()).map(read_id).transpose(),
        Err(error) if error.is_conflict() => Ok(None),
        Err(error) => Err(error),
    }
}

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT id, localpart,
             sha1_salt, sha1_iterations, sha1_stored_key, sha1_server_key,
             sha256_salt, sha256_iterations, sha256_stored_key, sha256_server_key,
             created_at_ms, disabled, last_seen_ms, last_status, roster_version
             FROM accounts ",
            $rest
        )
    };
}

/// The account with this normalised localpart.
pub async fn by_localpart(db: &Db, localpart: &str) -> Result<Option<Account>, Error> {
    let statement = Statement::new(select_accounts!("WHERE localpart = ?"), [localpart.into()]);
    db.query_one(statement).await?.map(read).transpose()
}

/// Up to `limit` accounts in the order of their localparts, those after `after`.
pub async fn list(db: &Db, after: Option<&str>, limit: u32) -> Result<Vec<Account>, Error> {
    let sql = select_accounts!("WHERE localpart > ? ORDER BY localpart LIMIT ?");
    let rows = db.query(Statement::new(sql, [after.unwrap_or("").into(), limit.into()])).await?;
    rows.into_iter().map(read).collect()
}

/// How many accounts there are, disabled ones included.
pub async fn count(db: &Db) -> Result<u64, Error> {
    let statement = Statement::new("SELECT COUNT(*) FROM accounts WHERE localpart IS NOT NULL", []);
    db.query_one(statement).await?.map_or(Ok(0), |mut row| row.count())
}

/// Replaces the keys, and with them ends what the old ones allowed: the tokens of
/// its [`devices`]. False if there is no such account.
pub async fn set_credentials(db: &Db, id: AccountId, credentials: &Credentials) -> Result<bool, Error> {
    let sql = "\
UPDATE accounts SET
    sha1_salt = ?, sha1_iterations = ?, sha1_stored_key = ?, sha1_server_key = ?,
    sha256_salt = ?, sha256_iterations = ?, sha256_stored_key = ?, sha256_server_key = ?
WHERE id = ? AND localpart IS NOT NULL";
    let mut params = Vec::new();
    push_keys(&mut params, credentials);
    params.push(id.into());
    let mut batch = vec![Statement::new(sql, params)];
    batch.extend(devices::password_changed(id));
    Ok(db.write(batch).await?.first().is_some_and(|outcome| outcome.rows_affected > 0))
}

/// Keeps an account from logging in, or lets it again; false if there is none.
pub async fn set_disabled(db: &Db, id: AccountId, disabled: bool) -> Result<bool, Error> {
    let sql = "UPDATE accounts SET disabled = ? WHERE id = ? AND localpart IS NOT NULL";
    Ok(db.execute(Statement::new(sql, [disabled.into(), id.into()])).await?.rows_affected > 0)
}

/// Notes the end of the account's last session, without waiting for the commit.
pub async fn touch_last_seen(db: &Db, id: AccountId, last_seen: LastSeen) -> Result<(), Error> {
    let sql = "UPDATE accounts SET last_seen_ms = ?, last_status = ? WHERE id = ? AND localpart IS NOT NULL";
    let params = [last_seen.at_ms.into(), last_seen.status.into(), id.into()];
    db.submit(vec![Statement::new(sql, params)]).await
}

/// Deletes an account and all it owns; false if there is none. Its sessions must
/// have ended.
///
/// First its keys and name go, durably; then its rows, in bounded steps. What an
/// interruption leaves, [`finish_deletions`] removes.
pub async fn delete(db: &Db, id: AccountId) -> Result<bool, Error> {
    let sql = "\
UPDATE accounts SET localpart = NULL, disabled = 1, last_status = NULL,
    sha1_salt = ?, sha1_iterations = 0, sha1_stored_key = ?, sha1_server_key = ?,
    sha256_salt = ?, sha256_iterations = 0, sha256_stored_key = ?, sha256_server_key = ?
WHERE id = ? AND localpart IS NOT NULL";
    let mut params = vec![Value::Blob(Bytes::new()); 6];
    params.push(id.into());
    if db.execute(Statement::new(sql, params)).await?.rows_affected == 0 {
        return Ok(false);
    }
    remove_rows(db, id).await?;
    Ok(true)
}

/// Completes deletions that were interrupted, and returns how many. Run it at
/// each start; nobody has to wait for it.
pub async fn finish_deletions(db: &Db) -> Result<u64, Error> {
    let sql = "SELECT id FROM accounts WHERE localpart IS NULL ORDER BY id LIMIT 1";
    let mut finished = 0;
    while let Some(row) = db.query_one(Statement::new(sql, [])).await? {
        remove_rows(db, read_id(row)?).await?;
        finished += 1;
    }
    Ok(finished)
}

/// A table whose rows of one owner may be many: how to find the last id of a
/// step, and how to delete up to it.
struct Mailbox {
    step: &'static str,
    delete: &'static str,
}

const MAILBOXES: [Mailbox; 3] = [
    Mailbox {
        step: "SELECT id FROM archive WHERE owner = ? ORDER BY id LIMIT 1 OFFSET ?",
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
const REMAINDERS: [&str; 9] = [
    "DELETE FROM roster WHERE owner = ?",
    "DELETE FROM roster_removals WHERE owner = ?",
    "DELETE FROM archive_prefs WHERE owner = ?",
    "DELETE FROM blocklist WHERE owner = ?",
    "DELETE FROM private_xml WHERE owner = ?",
    "DELETE FROM vcards WHERE owner = ?",
    "DELETE FROM devices WHERE owner = ?",
    "DELETE FROM device_tokens WHERE owner = ?",
    "DELETE FROM accounts WHERE id = ? AND localpart IS NULL",
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
    let batch = REMAINDERS.iter().map(|sql| Statement::new(sql, [id.into()])).collect();
    db.write(batch).await?;
    Ok(())
}

fn push_keys(params: &mut Vec<Value>, credentials: &Credentials) {
    for keys in [&credentials.sha1, &credentials.sha256] {
        params.extend([
            keys.salt.clone().into(),
            keys.iterations.into(),
            keys.stored_key.clone().into(),
            keys.server_key.clone().into(),
        ]);
    }
}

fn read_id(mut row: Row) -> Result<AccountId, Error> {
    row.int().map(AccountId)
}

fn read(mut row: Row) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(row.int()?),
        localpart: row.text()?,
        credentials: Credentials { sha1: read_keys(&mut row)?, sha256: read_keys(&mut row)? },
        created_at_ms: row.int()?,
        disabled: row.bool()?,
        last_seen: match (row.opt_int()?, row.opt_text()?) {
            (Some(at_ms), status) => Some(LastSeen { at_ms, status }),
            (None, _) => None,
        },
        roster_version: row.int()?,
    })
}

fn read_keys(row: &mut Row) -> Result<ScramKeys, Error> {
    Ok(ScramKeys {
        salt: row.blob()?,
        iterations: u32::try_from(row.int()?).map_err(|_| Error::Corrupt("iterations out of range".into()))?,
        stored_key: row.blob()?,
        server_key: row.blob()?,
    })
}
