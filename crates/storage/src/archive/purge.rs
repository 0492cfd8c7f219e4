//! Forgetting: what is older than the retention, or what its owner wants gone.
//! Messages that are still to be delivered stay.

use super::read_id;
use crate::{AccountId, ArchiveId, Db, Error, Statement, limits};

/// The next owner after one, who has a message to purge.
pub(super) const NEXT_OWNER: &str = "\
SELECT x.id FROM accounts x WHERE x.id > ? AND EXISTS (
    SELECT 1 FROM archive a /*!FORCE INDEX (PRIMARY)*/ WHERE a.owner = x.id AND a.id < ? AND NOT EXISTS (
        SELECT 1 FROM undelivered u WHERE u.owner = a.owner AND u.id = a.id LIMIT 1 OFFSET 0) LIMIT 1 OFFSET 0)
ORDER BY x.id LIMIT 1";

/// The messages of a step. What was deleted before them is not looked at again: it takes a while until the databases
/// have cleared it away.
pub(super) const STEP: &str = "\
SELECT a.id FROM archive a /*!FORCE INDEX (PRIMARY)*/ WHERE a.owner = ? AND a.id > ? AND a.id < ? AND NOT EXISTS (
    SELECT 1 FROM undelivered u WHERE u.owner = a.owner AND u.id = a.id LIMIT 1 OFFSET 0)
ORDER BY a.id LIMIT ?";

pub(super) const DELETE: &str = "\
DELETE FROM archive WHERE owner = ? AND id > ? AND id <= ? AND NOT EXISTS (
    SELECT 1 FROM undelivered u WHERE u.owner = archive.owner AND u.id = archive.id LIMIT 1 OFFSET 0)";

/// A purge of all accounts, one after the other, in steps between which others write.
#[derive(Debug)]
pub struct Purge {
    before: ArchiveId,
    owner: AccountId,
    /// The owner's last message that was purged; `None` to go on with the next owner.
    purged: Option<ArchiveId>,
}

impl Purge {
    /// Of archived messages that are older than this Unix time in milliseconds.
    pub fn before(before_ms: i64) -> Self {
        Self { before: ArchiveId::first_at(before_ms), owner: AccountId(0), purged: None }
    }

    /// Deletes up to [`PURGE_STEP_ROWS`](limits::PURGE_STEP_ROWS) messages of up to
    /// [`PURGE_STEP_OWNERS`](limits::PURGE_STEP_OWNERS) accounts in one transaction, and returns how many; `None` when
    /// nothing is left to purge.
    pub async fn step(&mut self, db: &Db) -> Result<Option<u64>, Error> {
        let mut batch = Vec::new();
        let mut left = limits::PURGE_STEP_ROWS;
        while left > 0 && batch.len() < limits::PURGE_STEP_OWNERS {
            let after = match self.purged {
                Some(purged) => purged,
                None => {
                    let next = Statement::new(NEXT_OWNER, [self.owner.into(), self.before.into()]);
                    let Some(mut row) = db.query_one(next).await? else { break };
                    self.owner = AccountId(row.int()?);
                    ArchiveId::MIN
                }
            };
            let (delete, found) = step(db, self.owner, (after, self.before), left).await?;
            self.purged = delete.as_ref().filter(|_| found == left).map(|(_, last)| *last);
            batch.extend(delete.map(|(delete, _)| delete));
            left = left.saturating_sub(found);
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let outcomes = db.write(batch).await?;
        Ok(Some(outcomes.iter().map(|outcome| outcome.rows_affected).sum()))
    }
}

/// Deletes up to `limit` archived messages of one account, the oldest first,
/// that are older than `before_ms`, or any if that is `None`, and returns how
/// many. Fewer than `limit` means that nothing is left to purge.
pub async fn purge_owner(db: &Db, owner: AccountId, before_ms: Option<i64>, limit: u32) -> Result<u64, Error> {
    let before = before_ms.map_or(ArchiveId::MAX, ArchiveId::first_at);
    let (mut after, mut left, mut purged) = (ArchiveId::MIN, limit, 0_u64);
    while left > 0 {
        let (delete, found) = step(db, owner, (after, before), left.min(limits::PURGE_STEP_ROWS)).await?;
        let Some((delete, last)) = delete else { break };
        purged = purged.saturating_add(db.execute(delete).await?.rows_affected);
        (after, left) = (last, left.saturating_sub(found));
    }
    Ok(purged)
}

/// What deletes an owner's next messages between two ids, up to `limit` of them, with the last one's id; and how many
/// there are.
async fn step(
    db: &Db,
    owner: AccountId,
    (after, before): (ArchiveId, ArchiveId),
    limit: u32,
) -> Result<(Option<(Statement, ArchiveId)>, u32), Error> {
    let step = Statement::new(STEP, [owner.into(), after.into(), before.into(), limit.into()]);
    let rows = db.query(step).await?;
    let found = u32::try_from(rows.len()).unwrap_or(limit);
    let Some(last) = rows.into_iter().next_back().map(|mut row| read_id(&mut row)).transpose()? else {
        return Ok((None, 0));
    };
    let delete = Statement::new(DELETE, [owner.into(), after.into(), last.into()]);
    Ok((Some((delete, last)), found))
}
