//! A new master key: every wrapped key is wrapped again, and nothing else is touched.

use super::{Fingerprint, MasterKeys, data_key::KEY_BYTES, keyring::unknown};
use crate::{AccountId, Db, Error, Row, Statement, Value, limits::ROTATE_STEP_ACCOUNTS};

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The key that wraps now.
    pub fingerprint: Fingerprint,
    /// Accounts whose keys were wrapped again.
    pub accounts: u64,
}

const DEPLOYMENT: &str = "SELECT wrapped FROM deployment_keys WHERE id = 1";
/// Only what nobody else has wrapped again in the meantime.
const WRAP_DEPLOYMENT: &str = "UPDATE deployment_keys SET master = ?, wrapped = ? WHERE id = 1 AND wrapped = ?";
const ACCOUNTS: &str = "\
SELECT id, localpart_hash, wrapped_key FROM accounts
WHERE id > ? AND wrapped_key IS NOT NULL ORDER BY id LIMIT ?";
const WRAP_ACCOUNT: &str = "UPDATE accounts SET wrapped_key = ? WHERE id = ? AND wrapped_key = ?";

/// Wraps every key with the first of these master keys, in bounded steps. Interrupted, it leaves some keys under the
/// old one: run again, it goes on. When it returns, the other master keys are of no use to this database any more.
///
/// Servers that have the database open go on: they read the master key again once they meet the new one.
///
/// # Errors
/// [`Error::MasterKey`] when none of the keys opens what is stored.
pub async fn rotate(db: &Db, keys: &MasterKeys) -> Result<Rotated, Error> {
    let mut row = db.query_one(Statement::new(DEPLOYMENT, [])).await?.ok_or_else(no_key)?;
    let old = row.blob()?;
    if let Some(new) = rewrapped(keys, &old, super::keyring::DEPLOYMENT)? {
        // First: from here on nobody creates an account under the old key.
        let params: [Value; 3] = [keys.fingerprint()?.into(), new.into(), old.into()];
        db.execute(Statement::new(WRAP_DEPLOYMENT, params)).await?;
    }
    let mut after = AccountId(0);
    let mut accounts: u64 = 0;
    loop {
        let page = Statement::new(ACCOUNTS, [after.into(), ROTATE_STEP_ACCOUNTS.into()]);
        let rows = db.query(page).await?;
        if rows.is_empty() {
            break;
        }
        let mut batch = Vec::new();
        for row in rows {
            let (id, statement) = account(keys, row)?;
            after = id;
            batch.extend(statement);
        }
        accounts = accounts.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        db.write(batch).await?;
    }
    Ok(Rotated { fingerprint: keys.fingerprint()?, accounts })
}

fn account(keys: &MasterKeys, mut row: Row) -> Result<(AccountId, Option<Statement>), Error> {
    let (id, hash, old) = (AccountId(row.int()?), row.blob()?, row.blob()?);
    let new = rewrapped(keys, &old, &hash)?;
    let params = |new: bytes::Bytes| [Value::from(new), id.into(), old.clone().into()];
    Ok((id, new.map(|new| Statement::new(WRAP_ACCOUNT, params(new)))))
}

/// The key wrapped by the first master key; `None` if it is already.
fn rewrapped(keys: &MasterKeys, wrapped: &[u8], purpose: &[u8]) -> Result<Option<bytes::Bytes>, Error> {
    if Fingerprint::of_wrapped(wrapped) == Some(keys.fingerprint()?) {
        return Ok(None);
    }
    let secret: [u8; KEY_BYTES] = keys.unwrap(wrapped, purpose)?.ok_or_else(|| unknown(wrapped))?;
    keys.wrap(&secret, purpose).map(Some)
}

fn no_key() -> Error {
    Error::Corrupt("the deployment's key is missing".into())
}
