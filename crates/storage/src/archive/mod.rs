//! The mailbox: each message once per owner, and in the same transaction a
//! pointer if it is still to be delivered (XEP-0313, RFC 6121 §8.5).
//!
//! A message that is kept only until it is delivered goes to a table of its own,
//! so that no archive query can see it and nothing has to skip it.

mod by_ids;
mod page;
mod purge;

use bytes::Bytes;

use crate::{AccountId, ArchiveId, Db, Error, Queued, Row, Statement};

pub use page::{Before, Filter, Page, Paging, With, page};
pub use purge::{purge, purge_owner};

/// Which way a message went, seen from its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The owner sent it.
    Sent,
    /// The owner received it.
    Received,
}

impl Direction {
    fn to_int(self) -> i64 {
        match self {
            Self::Received => 0,
            Self::Sent => 1,
        }
    }

    fn from_int(number: i64) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::Received),
            1 => Ok(Self::Sent),
            _ => Err(Error::Corrupt("unknown direction".into())),
        }
    }
}

/// A message to store for one owner.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose mailbox.
    pub owner: AccountId,
    /// Its stanza-id there.
    pub id: ArchiveId,
    /// Normalised bare JID of the other side.
    pub peer: String,
    /// The other side's resource, if it had one.
    pub peer_resource: Option<String>,
    /// Whether the owner sent or received it.
    pub direction: Direction,
    /// The serialised `<message/>`.
    pub stanza: Bytes,
    /// It belongs in the archive.
    pub archived: bool,
    /// It is still to be delivered to the owner. If it is neither archived nor
    /// undelivered, nothing is stored.
    pub undelivered: bool,
}

/// A message as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its stanza-id; tells the time too.
    pub id: ArchiveId,
    /// Normalised bare JID of the other side.
    pub peer: String,
    /// The other side's resource, if it had one.
    pub peer_resource: Option<String>,
    /// Whether the owner sent or received it.
    pub direction: Direction,
    /// The serialised `<message/>`.
    pub stanza: Bytes,
}

impl Stored {
    /// From the columns id, peer, peer_resource, direction, stanza.
    pub(crate) fn read(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: read_id(&mut row)?,
            peer: row.text()?,
            peer_resource: row.opt_text()?,
            direction: Direction::from_int(row.int()?)?,
            stanza: row.blob()?,
        })
    }
}

pub(crate) fn read_id(row: &mut Row) -> Result<ArchiveId, Error> {
    ArchiveId::from_i64(row.int()?).ok_or_else(|| Error::Corrupt("negative archive id".into()))
}

const ARCHIVE: &str = "\
INSERT INTO archive (owner, id, peer, peer_resource, direction, stanza) VALUES (?, ?, ?, ?, ?, ?)";
const TRANSIENT: &str = "\
INSERT INTO transient (owner, id, peer, peer_resource, direction, stanza) VALUES (?, ?, ?, ?, ?, ?)";
const UNDELIVERED: &str = "INSERT INTO undelivered (owner, id) VALUES (?, ?)";

/// Messages that have their place among the writes.
#[must_use = "whether they are stored is not known yet"]
pub struct Appending(Option<Queued>);

impl Appending {
    /// Returns once they are durable. An id that its owner has already is a conflict.
    pub async fn stored(self) -> Result<(), Error> {
        match self.0 {
            Some(queued) => queued.durable().await.map(drop),
            None => Ok(()),
        }
    }
}

/// Stores messages, all or none, and returns once they are durable. An id that
/// its owner has already is a conflict.
pub async fn append(db: &Db, entries: Vec<Entry>) -> Result<(), Error> {
    queue(db, entries).await?.stored().await
}

/// The first half of [`append`]. What is queued later is seen no earlier: whoever
/// gives ids in the order of the queue may read an archive on from its last id
/// and miss nothing.
pub async fn queue(db: &Db, entries: Vec<Entry>) -> Result<Appending, Error> {
    let mut batch = Vec::with_capacity(entries.len().saturating_mul(2));
    for entry in entries {
        let (owner, id) = (entry.owner, entry.id);
        let undelivered = entry.undelivered;
        let table = match (entry.archived, undelivered) {
            (true, _) => ARCHIVE,
            (false, true) => TRANSIENT,
            (false, false) => continue,
        };
        batch.push(Statement::new(
            table,
            [
                owner.into(),
                id.into(),
                entry.peer.into(),
                entry.peer_resource.into(),
                entry.direction.to_int().into(),
                entry.stanza.into(),
            ],
        ));
        if undelivered {
            batch.push(Statement::new(UNDELIVERED, [owner.into(), id.into()]));
        }
    }
    if batch.is_empty() {
        return Ok(Appending(None));
    }
    Ok(Appending(Some(db.queue(batch).await?)))
}

const NEWEST: &str = "\
SELECT MAX(id) FROM (
    SELECT * FROM (SELECT id FROM archive ORDER BY rowid DESC LIMIT 1)
    UNION ALL SELECT * FROM (SELECT id FROM transient ORDER BY rowid DESC LIMIT 1))";

/// The newest id of any mailbox: what was stored last. New ids must be greater, also when the clock was set back.
pub async fn newest(db: &Db) -> Result<Option<ArchiveId>, Error> {
    let row = db.query_one(Statement::new(NEWEST, [])).await?;
    row.map_or(Ok(None), |mut row| row.opt_int()).map(|id| id.and_then(ArchiveId::from_i64))
}

const EXISTS: &str = "SELECT 1 FROM archive WHERE owner = ? AND id = ?";
const FIRST: &str = "SELECT id FROM archive WHERE owner = ? ORDER BY id LIMIT 1";
const LAST: &str = "SELECT id FROM archive WHERE owner = ? ORDER BY id DESC LIMIT 1";

/// Whether the owner's archive has this message.
pub async fn exists(db: &Db, owner: AccountId, id: ArchiveId) -> Result<bool, Error> {
    Ok(db.query_one(Statement::new(EXISTS, [owner.into(), id.into()])).await?.is_some())
}

/// The ends of an archive (XEP-0313 §5): the first and the last id, whose
/// [`at_ms`](ArchiveId::at_ms) is the time; `None` if it is empty.
pub async fn metadata(db: &Db, owner: AccountId) -> Result<Option<(ArchiveId, ArchiveId)>, Error> {
    let first = db.query_one(Statement::new(FIRST, [owner.into()])).await?;
    let last = db.query_one(Statement::new(LAST, [owner.into()])).await?;
    let (Some(mut first), Some(mut last)) = (first, last) else { return Ok(None) };
    Ok(Some((read_id(&mut first)?, read_id(&mut last)?)))
}

#[cfg(test)]
mod plans;
