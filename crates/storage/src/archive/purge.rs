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

/// The last message of a step: messages are deleted up to it.
pub(super) const STEP: &str = "\
SELECT a.id FROM archive a /*!FORCE INDEX (PRIMARY)*/ WHERE a.owner = ? AND a.id < ? AND NOT EXISTS (
    SELECT 1 FROM undelivered u WHERE u.owner = a.owner AND u.id = a.id LIMIT 1 OFFSET 0)
ORDER BY a.id LIMIT 1 OFFSET ?";

pub(super) const DELETE: &str = "\
DELETE FROM archive WHERE owner = ? AND id < ? AND NOT EXISTS (
    SELECT 1 FROM undelivered u WHERE u.owner = archive.owner AND u.id = archive.id LIMIT 1 OFFSET 0)";

/// Deletes up to `limit` archived messages, of all accounts, that are older than
/// `before_ms` (Unix time in milliseconds), and returns how many. Fewer than
/// `limit` means that nothing is left to purge.
pub async fn purge(db: &Db, before_ms: i64, limit: u32) -> Result<u64, Error> {
    let before = ArchiveId::first_at(before_ms);
    let mut owner = AccountId(0);
    let mut purged: u64 = 0;
    while let Some(left) = u64::from(limit).checked_sub(purged).and_then(|left| u32::try_from(left).ok())
        && left > 0
    {
        let next = Statement::new(NEXT_OWNER, [owner.into(), before.into()]);
        let Some(mut row) = db.query_one(next).await? else { break };
        owner = AccountId(row.int()?);
        purged = purged.saturating_add(purge_before(db, owner, before, left).await?);
    }
    Ok(purged)
}

/// Deletes up to `limit` archived messages of one account, the oldest first,
/// that are older than `before_ms`, or any if that is `None`, and returns how
/// many. Fewer than `limit` means that nothing is left to purge.
pub async fn purge_owner(db: &Db, owner: AccountId, before_ms: Option<i64>, limit: u32) -> Result<u64, Error> {
    let before = before_ms.map_or(ArchiveId::MAX, ArchiveId::first_at);
    purge_before(db, owner, before, limit).await
}

async fn purge_before(db: &Db, owner: AccountId, before: ArchiveId, limit: u32) -> Result<u64, Error> {
    let mut purged: u64 = 0;
    while let Some(left) = u64::from(limit).checked_sub(purged)
        && left > 0
    {
        // Steps keep each transaction short: others write in between.
        let rows = left.min(limits::DELETE_STEP_ROWS.into());
        let offset = i64::try_from(rows).unwrap_or(i64::MAX);
        let step = Statement::new(STEP, [owner.into(), before.into(), offset.into()]);
        let up_to = db.query_one(step).await?.map(|mut row| read_id(&mut row)).transpose()?;
        let delete = Statement::new(DELETE, [owner.into(), up_to.unwrap_or(before).into()]);
        purged = purged.saturating_add(db.execute(delete).await?.rows_affected);
        if up_to.is_none() {
            break;
        }
    }
    Ok(purged)
}
