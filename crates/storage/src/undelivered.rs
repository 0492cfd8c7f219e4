//! What is still to be delivered: pointers into the mailbox, which
//! [`archive::append`](crate::archive::append) writes with the message.

use crate::{AccountId, ArchiveId, Db, Error, Statement, archive::Stored, limits};

/// A pointer finds its message in one of the two tables.
pub(crate) const PAGE: &str = "\
SELECT u.id, COALESCE(a.direction, t.direction), COALESCE(a.sealed, t.sealed)
FROM undelivered u
LEFT JOIN archive a ON a.owner = u.owner AND a.id = u.id
LEFT JOIN transient t ON t.owner = u.owner AND t.id = u.id
WHERE u.owner = ? AND u.id > ? AND (a.id IS NOT NULL OR t.id IS NOT NULL)
ORDER BY u.id LIMIT ?";
pub(crate) const CLEAR_ARCHIVED: &str = "\
DELETE FROM undelivered WHERE owner = ? AND id <= ? AND NOT EXISTS (
    SELECT 1 FROM transient t WHERE t.owner = undelivered.owner AND t.id = undelivered.id LIMIT 1 OFFSET 0)";
pub(crate) const COUNT: &str = "SELECT COUNT(*) FROM undelivered WHERE owner = ?";

/// Up to `limit` undelivered messages in the order of their ids, those after
/// `after`; never more than [`PAGE_MESSAGES_MAX`](limits::PAGE_MESSAGES_MAX).
pub async fn page(db: &Db, owner: AccountId, after: Option<ArchiveId>, limit: u32) -> Result<Vec<Stored>, Error> {
    let after = after.unwrap_or(ArchiveId::MIN);
    let limit = limit.min(limits::PAGE_MESSAGES_MAX);
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let rows = db.query(Statement::new(PAGE, [owner.into(), after.into(), limit.into()])).await?;
    rows.into_iter().map(|row| Stored::read(&key, owner, row)).collect()
}

/// How many messages are undelivered.
pub async fn count(db: &Db, owner: AccountId) -> Result<u64, Error> {
    db.query_one(Statement::new(COUNT, [owner.into()])).await?.map_or(Ok(0), |mut row| row.count())
}

/// Notes that a device has these messages: their pointers go, and the messages
/// too that were kept only until now. Does not wait for the commit: what a crash
/// leaves undelivered is delivered again, under the same stanza-id.
pub async fn clear(db: &Db, owner: AccountId, ids: &[ArchiveId]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    db.submit(ids.iter().flat_map(|id| delete(owner, *id)).collect()).await
}

/// Notes that a device has every archived message up to `last`, because it read
/// the archive (XEP-0313). What is not in the archive stays undelivered.
pub async fn clear_archived(db: &Db, owner: AccountId, last: ArchiveId) -> Result<(), Error> {
    db.submit(vec![Statement::new(CLEAR_ARCHIVED, [owner.into(), last.into()])]).await
}

pub(crate) fn delete(owner: AccountId, id: ArchiveId) -> [Statement; 2] {
    [
        Statement::new("DELETE FROM undelivered WHERE owner = ? AND id = ?", [owner.into(), id.into()]),
        Statement::new("DELETE FROM transient WHERE owner = ? AND id = ?", [owner.into(), id.into()]),
    ]
}

/// Notes that these messages, which the mailbox has, are still to be delivered: for mailboxes that move here.
pub async fn add(db: &Db, owner: AccountId, ids: &[ArchiveId]) -> Result<(), Error> {
    const ADD: &str = "INSERT INTO undelivered (owner, id) VALUES (?, ?) ON CONFLICT DO NOTHING";
    if ids.is_empty() {
        return Ok(());
    }
    db.write(ids.iter().map(|id| Statement::new(ADD, [owner.into(), (*id).into()])).collect()).await.map(drop)
}
