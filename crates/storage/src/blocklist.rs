//! Whom an account does not want to hear from (XEP-0191). JIDs are normalised,
//! and may be full, bare, a domain, or a domain with a resource.

use crate::{AccountId, Db, Error, Statement};

/// The blocked JIDs, sorted.
pub async fn list(db: &Db, owner: AccountId) -> Result<Vec<String>, Error> {
    let sql = "SELECT jid FROM blocklist WHERE owner = ? ORDER BY jid";
    let rows = db.query(Statement::new(sql, [owner.into()])).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// Blocks JIDs, all or none; those that are blocked stay so.
pub async fn add(db: &Db, owner: AccountId, jids: &[String]) -> Result<(), Error> {
    each(db, owner, jids, "INSERT INTO blocklist (owner, jid) VALUES (?, ?) ON CONFLICT DO NOTHING").await
}

/// Unblocks JIDs, all or none; those that are not blocked are ignored.
pub async fn remove(db: &Db, owner: AccountId, jids: &[String]) -> Result<(), Error> {
    each(db, owner, jids, "DELETE FROM blocklist WHERE owner = ? AND jid = ?").await
}

/// Unblocks everybody.
pub async fn clear(db: &Db, owner: AccountId) -> Result<(), Error> {
    db.execute(Statement::new("DELETE FROM blocklist WHERE owner = ?", [owner.into()])).await?;
    Ok(())
}

async fn each(db: &Db, owner: AccountId, jids: &[String], sql: &'static str) -> Result<(), Error> {
    if jids.is_empty() {
        return Ok(());
    }
    let batch = jids.iter().map(|jid| Statement::new(sql, [owner.into(), jid.as_str().into()]));
    db.write(batch.collect()).await?;
    Ok(())
}
