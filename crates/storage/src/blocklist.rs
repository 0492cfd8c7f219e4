//! Whom an account does not want to hear from (XEP-0191). JIDs are normalised,
//! and may be full, bare, a domain, or a domain with a resource.

use crate::{
    AccountId, Db, Error, Statement, Value,
    seal::{DataKey, Fields, Hash, Place, Table},
};

/// The blocked JIDs, sorted.
pub async fn list(db: &Db, owner: AccountId) -> Result<Vec<String>, Error> {
    let sql = "SELECT jid_hash, sealed FROM blocklist WHERE owner = ?";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let rows = db.query(Statement::new(sql, [owner.into()])).await?;
    let jids = rows.into_iter().map(|mut row| {
        let hash = Hash::read(&mut row)?;
        key.open(place(owner, hash), row.blob()?)?.text()
    });
    let mut jids = jids.collect::<Result<Vec<_>, _>>()?;
    jids.sort_unstable();
    Ok(jids)
}

/// Blocks JIDs, all or none; those that are blocked stay so.
pub async fn add(db: &Db, owner: AccountId, jids: &[String]) -> Result<(), Error> {
    let sql = "INSERT INTO blocklist (owner, jid_hash, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    if jids.is_empty() {
        return Ok(());
    }
    let key = db.expect_key(owner).await?;
    let batch = jids.iter().map(|jid| Ok(Statement::new(sql, columns(&key, owner, jid)?)));
    db.write(batch.collect::<Result<_, Error>>()?).await?;
    Ok(())
}

/// Unblocks JIDs, all or none; those that are not blocked are ignored.
pub async fn remove(db: &Db, owner: AccountId, jids: &[String]) -> Result<(), Error> {
    let sql = "DELETE FROM blocklist WHERE owner = ? AND jid_hash = ?";
    if jids.is_empty() {
        return Ok(());
    }
    let Some(key) = db.key(owner).await? else { return Ok(()) };
    let batch = jids.iter().map(|jid| Statement::new(sql, [owner.into(), key.jid(jid).into()]));
    db.write(batch.collect()).await?;
    Ok(())
}

/// Unblocks everybody.
pub async fn clear(db: &Db, owner: AccountId) -> Result<(), Error> {
    db.execute(Statement::new("DELETE FROM blocklist WHERE owner = ?", [owner.into()])).await?;
    Ok(())
}

/// The columns owner, jid_hash, sealed.
pub(crate) fn columns(key: &DataKey, owner: AccountId, jid: &str) -> Result<[Value; 3], Error> {
    let hash = key.jid(jid);
    Ok([owner.into(), hash.into(), key.seal(place(owner, hash), Fields::new(jid.len()).text(jid))?])
}

fn place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::Blocklist, owner, hash)
}
