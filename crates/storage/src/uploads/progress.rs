//! An upload on its way in: parts are added, and in the end it is whole.

use super::medium::parts_value;
use super::{Part, Upload, bytes_value, removal};
use crate::{
    Db, Error, Outcome, Statement,
    seal::{Hash, Kind},
};

/// How an upload became whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// With its own parts.
    Fresh,
    /// Its owner had the same content already: it holds that one, and its own parts are to be removed.
    Shared,
    /// Not at all: it is gone, whole already, or somebody else has added to it.
    Lost,
}

/// Adds a part to an open slot and lets it stay open until `expires_at_ms`. False if it is gone, whole already, or
/// somebody else has added to it: then the part is nobody's.
pub async fn append(db: &Db, upload: &mut Upload, part: Part, expires_at_ms: i64) -> Result<bool, Error> {
    let add = "\
UPDATE media SET bytes = ?, parts = ?
WHERE object = ? AND bytes = ? AND parts = ? AND content_hash IS NULL AND removing = 0";
    let stay = "\
UPDATE uploads SET expires_at_ms = ?
WHERE name_hash = ? AND whole = 0 AND EXISTS (SELECT 1 FROM media m WHERE m.object = uploads.object AND m.parts = ?)";
    let before = parts_value(&upload.medium.parts);
    let bytes_before = bytes_value(upload.medium.bytes());
    let mut grown = upload.medium.clone();
    grown.parts.push(part);
    let after = parts_value(&grown.parts);
    let object = grown.object.into();
    let add = Statement::new(add, [bytes_value(grown.bytes()), after.clone(), object, bytes_before, before]);
    let stay = Statement::new(stay, [expires_at_ms.into(), upload.id.0.into(), after]);
    let added = affected(db.write(vec![add, stay]).await?.first());
    if added {
        upload.medium = grown;
        upload.expires_at_ms = expires_at_ms;
    }
    Ok(added)
}

/// Lets an open slot stay open until `expires_at_ms`; one that is gone stays gone.
pub async fn stay_open(db: &Db, upload: &mut Upload, expires_at_ms: i64) -> Result<(), Error> {
    let sql = "UPDATE uploads SET expires_at_ms = ? WHERE name_hash = ? AND whole = 0";
    db.execute(Statement::new(sql, [expires_at_ms.into(), upload.id.0.into()])).await?;
    upload.expires_at_ms = expires_at_ms;
    Ok(())
}

/// Makes a slot a file. `parts` are all it has; those that were added to it before come first. `digest` is of its
/// content, made with its fingerprint key.
pub async fn complete(db: &Db, upload: &Upload, parts: &[Part], digest: &[u8], now_ms: i64) -> Result<Kept, Error> {
    let Some(key) = db.key(upload.owner).await? else { return Ok(Kept::Lost) };
    let content = key.hash(Kind::Fingerprint, &[&upload.described.bytes.to_be_bytes(), digest]);
    loop {
        let same = "SELECT object FROM media WHERE owner = ? AND content_hash = ? AND removing = 0";
        let same = db.query_one(Statement::new(same, [upload.owner.into(), content.into()])).await?;
        let Some(mut row) = same else {
            match db.write(fresh(upload, parts, content, now_ms)).await {
                // The same content came in between.
                Err(error) if error.is_conflict() => continue,
                outcomes => return Ok(if affected(outcomes?.get(1)) { Kept::Fresh } else { Kept::Lost }),
            }
        };
        let there = Hash::read(&mut row)?;
        if affected(db.write(shared(upload, there, content, now_ms)).await?.get(1)) {
            return Ok(Kept::Shared);
        }
        // The other one was removed in between, or this one was.
        let open = "SELECT 1 FROM uploads WHERE name_hash = ? AND whole = 0";
        if db.query_one(Statement::new(open, [upload.id.0.into()])).await?.is_none() {
            return Ok(Kept::Lost);
        }
    }
}

/// Gives the slot its own content: the second outcome tells whether it did.
fn fresh(upload: &Upload, parts: &[Part], content: Hash, now_ms: i64) -> Vec<Statement> {
    let finish = "\
UPDATE media SET bytes = ?, parts = ?, content_hash = ?
WHERE object = ? AND bytes = ? AND parts = ? AND content_hash IS NULL AND removing = 0";
    let whole = "\
UPDATE uploads SET whole = 1, at_ms = ?
WHERE name_hash = ? AND whole = 0
AND EXISTS (SELECT 1 FROM media m WHERE m.object = uploads.object AND m.parts = ? AND m.content_hash = ?)";
    let all = parts_value(parts);
    let finish_params = [
        bytes_value(upload.described.bytes),
        all.clone(),
        content.into(),
        upload.medium.object.into(),
        bytes_value(upload.medium.bytes()),
        parts_value(&upload.medium.parts),
    ];
    let whole_params = [now_ms.into(), upload.id.0.into(), all, content.into()];
    vec![Statement::new(finish, finish_params), Statement::new(whole, whole_params)]
}

/// Gives the slot the content of another: the second outcome tells whether it did.
fn shared(upload: &Upload, there: Hash, content: Hash, now_ms: i64) -> Vec<Statement> {
    // Changes nothing, and has whoever removes it wait until this is done.
    let hold = "UPDATE media SET removing = 0 WHERE object = ? AND removing = 0";
    let whole = "\
UPDATE uploads SET object = ?, whole = 1, at_ms = ?
WHERE name_hash = ? AND whole = 0 AND object = ?
AND EXISTS (SELECT 1 FROM media m WHERE m.object = ? AND m.content_hash = ? AND m.removing = 0)";
    let own = upload.medium.object;
    let params = [there.into(), now_ms.into(), upload.id.0.into(), own.into(), there.into(), content.into()];
    vec![Statement::new(hold, [there.into()]), Statement::new(whole, params), removal::unless_held(own)]
}

fn affected(outcome: Option<&Outcome>) -> bool {
    outcome.is_some_and(|outcome| outcome.rows_affected > 0)
}
