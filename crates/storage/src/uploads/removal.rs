//! How uploads go: first the row that a URL names, then the parts of the medium that no other upload holds, then the
//! medium's row. A crash in between leaves a medium that says so, or parts that no row names.

use bytes::Bytes;

use super::medium::read_parts;
use super::{ObjectId, Part, UploadId};
use crate::{AccountId, Db, Error, Row, Statement, limits, seal::Hash};

/// A medium that no upload holds any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Its name.
    pub object: ObjectId,
    /// What is to go before its row does.
    pub parts: Vec<Part>,
}

/// Removes an upload of an account; whether there was one. Its parts are among the [`removals`] then.
pub async fn remove(db: &Db, owner: AccountId, id: UploadId) -> Result<bool, Error> {
    let sql = "SELECT object FROM uploads WHERE name_hash = ? AND owner = ?";
    let Some(mut row) = db.query_one(Statement::new(sql, [id.0.into(), owner.into()])).await? else { return Ok(false) };
    let outcomes = db.write(dropping(id.0, ObjectId::read(&mut row)?).into()).await?;
    Ok(outcomes.get(1).is_some_and(|outcome| outcome.rows_affected > 0))
}

/// Removes up to `limit` uploads, of all accounts, whose time is up: open slots that have expired by `now_ms`, and
/// files from before `before_ms`, if that is given. Fewer than `limit` means that none is left.
pub async fn expire(db: &Db, now_ms: i64, before_ms: Option<i64>, limit: u32) -> Result<u64, Error> {
    let slots =
        "SELECT name_hash, object FROM uploads WHERE whole = 0 AND expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?";
    let files = "SELECT name_hash, object FROM uploads WHERE whole = 1 AND at_ms < ? ORDER BY at_ms LIMIT ?";
    let mut rows = db.query(Statement::new(slots, [now_ms.into(), limit.into()])).await?;
    if let Some(before_ms) = before_ms {
        rows.extend(db.query(Statement::new(files, [before_ms.into(), limit.into()])).await?);
    }
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    drop_all(db, rows).await
}

/// Removes every upload of an account, in bounded steps. Needs no key: it is gone already.
pub(crate) async fn abandon(db: &Db, owner: AccountId) -> Result<(), Error> {
    let sql = "SELECT name_hash, object FROM uploads WHERE owner = ? ORDER BY whole, name_hash LIMIT ?";
    loop {
        let rows = db.query(Statement::new(sql, [owner.into(), limits::DELETE_STEP_ROWS.into()])).await?;
        if drop_all(db, rows).await? == 0 {
            return Ok(());
        }
    }
}

/// Up to `limit` media that are to be removed.
pub async fn removals(db: &Db, after: ObjectId, limit: u32) -> Result<Vec<Removal>, Error> {
    let sql = "SELECT object, parts FROM media WHERE removing = 1 AND object > ? ORDER BY object LIMIT ?";
    read_all(db.query(Statement::new(sql, [after.into(), limit.into()])).await?)
}

/// Removes the row of a medium whose parts are gone.
pub async fn forget(db: &Db, object: ObjectId) -> Result<(), Error> {
    let sql = "DELETE FROM media WHERE object = ? AND removing = 1";
    db.execute(Statement::new(sql, [object.into()])).await.map(drop)
}

/// The parts that a medium names, whether it is whole or not; `None` if there is no such medium.
pub async fn parts(db: &Db, object: ObjectId) -> Result<Option<Vec<Part>>, Error> {
    let sql = "SELECT parts FROM media WHERE object = ?";
    let row = db.query_one(Statement::new(sql, [object.into()])).await?;
    row.map(|mut row| read_parts(row.blob()?)).transpose()
}

/// Up to `limit` media after `after` that are held, by their names.
pub async fn page(db: &Db, after: ObjectId, limit: u32) -> Result<Vec<Removal>, Error> {
    let sql = "SELECT object, parts FROM media WHERE removing = 0 AND object > ? ORDER BY object LIMIT ?";
    read_all(db.query(Statement::new(sql, [after.into(), limit.into()])).await?)
}

/// Removes the uploads that hold a medium whose parts are lost; returns how many.
pub async fn lost(db: &Db, object: ObjectId) -> Result<u64, Error> {
    let sql = "SELECT name_hash, object FROM uploads WHERE object = ? ORDER BY name_hash LIMIT ?";
    let rows = db.query(Statement::new(sql, [object.into(), limits::DELETE_STEP_ROWS.into()])).await?;
    drop_all(db, rows).await
}

async fn drop_all(db: &Db, rows: Vec<Row>) -> Result<u64, Error> {
    let mut batch = Vec::with_capacity(rows.len().saturating_mul(3));
    for mut row in rows {
        batch.extend(dropping(Hash::read(&mut row)?, ObjectId::read(&mut row)?));
    }
    let outcomes = db.write(batch).await?;
    Ok(outcomes.iter().skip(1).step_by(3).fold(0, |sum, outcome| sum.saturating_add(outcome.rows_affected)))
}

/// Drops an upload, and marks its medium unless another one holds it: the second outcome tells whether it was there.
fn dropping(name: Hash, object: ObjectId) -> [Statement; 3] {
    // Changes nothing, and has whoever is about to share the medium wait until this is done.
    let hold = "UPDATE media SET bytes = bytes WHERE object = ?";
    let drop = "DELETE FROM uploads WHERE name_hash = ? AND object = ?";
    [Statement::new(hold, [object.into()]), Statement::new(drop, [name.into(), object.into()]), unless_held(object)]
}

/// Marks a medium for removal unless an upload holds it.
pub(super) fn unless_held(object: ObjectId) -> Statement {
    let sql = "\
UPDATE media SET removing = 1, content_hash = NULL
WHERE object = ? AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.object = media.object LIMIT 1 OFFSET 0)";
    Statement::new(sql, [object.into()])
}

fn read_all(rows: Vec<Row>) -> Result<Vec<Removal>, Error> {
    let read = |mut row: Row| {
        let (object, parts): (ObjectId, Bytes) = (ObjectId::read(&mut row)?, row.blob()?);
        Ok(Removal { object, parts: read_parts(parts)? })
    };
    rows.into_iter().map(read).collect()
}
