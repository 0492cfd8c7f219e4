//! Accounts that came from another server with keys for one hash alone: their users can log in with that one only.

use crate::{Db, Error, Statement};

/// Whether there are such accounts. Reads all accounts where there are none.
pub async fn any(db: &Db) -> Result<bool, Error> {
    let sql = "\
SELECT 1 FROM accounts
WHERE localpart IS NOT NULL AND (sha1_iterations = 0) <> (sha256_iterations = 0) LIMIT 1";
    Ok(db.query_one(Statement::new(sql, [])).await?.is_some())
}
