//! The audit log: every change that an administrator made, or tried to make. An entry is written before the change
//! and completed after it, so that none goes without a trace; who did it and to whom is sealed with the deployment's
//! key, because it outlives the accounts that it speaks of.

use crate::{
    AccountId, ArchiveId, Db, Error, Row, Statement, Value, limits,
    seal::{Fields, Place, Table},
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, which has the time in it.
    pub id: ArchiveId,
    /// What was done, a word such as `account.create`.
    pub action: String,
    /// By which way the change came, a word such as `token`.
    pub via: String,
    /// Who did it; `None` where the way says it all.
    pub actor: Option<String>,
    /// Whom or what it was done to.
    pub target: Option<String>,
    /// What is worth knowing besides.
    pub detail: Option<String>,
    /// What became of it, a word such as `done`; `None` if nobody lived to say.
    pub outcome: Option<String>,
}

const INSERT: &str = "INSERT INTO audit_log (id, action, via, outcome, sealed) VALUES (?, ?, ?, ?, ?)";

/// Writes a new entry, and returns once it is durable. False when the number is taken: take another one.
pub async fn append(db: &Db, entry: &Entry) -> Result<bool, Error> {
    let fields = Fields::new(96).opt_text(entry.actor.as_deref()).opt_text(entry.target.as_deref());
    let fields = fields.opt_text(entry.detail.as_deref());
    let params: [Value; 5] = [
        entry.id.into(),
        entry.action.as_str().into(),
        entry.via.as_str().into(),
        entry.outcome.as_deref().into(),
        db.keys().deployment().seal(place(entry.id), fields)?,
    ];
    match db.execute(Statement::new(INSERT, params)).await {
        Err(error) if error.is_conflict() => Ok(false),
        done => done.map(|_| true),
    }
}

/// Says what became of a change.
pub async fn complete(db: &Db, id: ArchiveId, outcome: &str) -> Result<(), Error> {
    let sql = "UPDATE audit_log SET outcome = ? WHERE id = ?";
    db.execute(Statement::new(sql, [outcome.into(), id.into()])).await.map(drop)
}

/// Up to `limit` entries, the newest first, those before `before`.
pub async fn list(db: &Db, before: Option<ArchiveId>, limit: u32) -> Result<Vec<Entry>, Error> {
    let sql = "\
SELECT id, action, via, outcome, sealed FROM audit_log WHERE id < ? ORDER BY id DESC LIMIT ?";
    let before = before.unwrap_or(ArchiveId::MAX);
    let rows = db.query(Statement::new(sql, [before.into(), limit.into()])).await?;
    rows.into_iter().map(|row| read(db, row)).collect()
}

/// Forgets the oldest entries beyond the newest `entries_max`, in bounded steps; how many.
pub async fn purge(db: &Db, entries_max: u64) -> Result<u64, Error> {
    let oldest_kept = "SELECT id FROM audit_log ORDER BY id DESC LIMIT 1 OFFSET ?";
    let entries_max = i64::try_from(entries_max).unwrap_or(i64::MAX);
    let Some(mut row) = db.query_one(Statement::new(oldest_kept, [entries_max.into()])).await? else { return Ok(0) };
    let last = row.int()?;
    let step = "SELECT id FROM audit_log WHERE id <= ? ORDER BY id LIMIT 1 OFFSET ?";
    let mut purged = 0;
    loop {
        let next = db.query_one(Statement::new(step, [last.into(), limits::DELETE_STEP_ROWS.into()])).await?;
        let next = next.map(|mut row| row.int()).transpose()?;
        let sql = "DELETE FROM audit_log WHERE id <= ?";
        purged += db.execute(Statement::new(sql, [next.unwrap_or(last).into()])).await?.rows_affected;
        if next.is_none() {
            return Ok(purged);
        }
    }
}

fn place(id: ArchiveId) -> Place {
    Place::numbered(Table::AuditLog, AccountId(0), id.to_i64())
}

fn read(db: &Db, mut row: Row) -> Result<Entry, Error> {
    let id = ArchiveId::from_i64(row.int()?).ok_or_else(|| Error::Corrupt("an audit entry's number".into()))?;
    let (action, via, outcome) = (row.text()?, row.text()?, row.opt_text()?);
    let mut opened = db.keys().deployment().open(place(id), row.blob()?)?;
    let (actor, target, detail) = (opened.opt_text()?, opened.opt_text()?, opened.opt_text()?);
    Ok(Entry { id, action, via, actor, target, detail, outcome })
}
