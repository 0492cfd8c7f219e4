//! The mailbox: each message once per owner, and in the same transaction a
//! pointer if it is still to be delivered (XEP-0313, RFC 6121 §8.5).
//!
//! A message that is kept only until it is delivered goes to a table of its own,
//! so that no archive query can see it and nothing has to skip it.

mod by_ids;
mod page;
mod purge;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;

use crate::{
    AccountId, ArchiveId, Db, Error, Queued, Row, Statement, Value, limits,
    seal::{DataKey, Fields, Place, Table},
};

pub use page::{Before, Filter, Page, Paging, With, page};
pub use purge::{Purge, purge_owner};

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

    pub(crate) fn from_int(number: i64) -> Result<Self, Error> {
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
    /// From the columns id, direction, sealed.
    pub(crate) fn read(key: &DataKey, owner: AccountId, mut row: Row) -> Result<Self, Error> {
        let (id, direction) = (read_id(&mut row)?, Direction::from_int(row.int()?)?);
        let mut opened = key.open(place(owner, id), row.blob()?)?;
        let (peer, peer_resource) = (opened.text()?, opened.opt_text()?);
        Ok(Self { id, peer, peer_resource, direction, stanza: opened.rest() })
    }
}

fn place(owner: AccountId, id: ArchiveId) -> Place {
    Place::numbered(Table::Mailbox, owner, id.to_i64())
}

pub(crate) fn read_id(row: &mut Row) -> Result<ArchiveId, Error> {
    ArchiveId::from_i64(row.int()?).ok_or_else(|| Error::Corrupt("negative archive id".into()))
}

pub(crate) const ARCHIVE: &str = "\
INSERT INTO archive (owner, id, peer_hash, full_hash, direction, sealed) VALUES (?, ?, ?, ?, ?, ?)";
pub(crate) const TRANSIENT: &str = "INSERT INTO transient (owner, id, direction, sealed) VALUES (?, ?, ?, ?)";
const UNDELIVERED: &str = "INSERT INTO undelivered (owner, id) VALUES (?, ?)";

/// Messages that have their place among the writes.
#[must_use = "whether they are stored is not known yet"]
pub struct Appending(Option<(Queued, Arc<AtomicI64>)>);

impl Appending {
    /// Returns once they are durable. An id that its owner has already is a conflict.
    pub async fn stored(self) -> Result<(), Error> {
        let Some((queued, mark)) = self.0 else { return Ok(()) };
        let stored = queued.durable().await;
        if stored.is_err() {
            // The note of how far the ids have come may have gone with it.
            mark.store(-1, Ordering::Relaxed);
        }
        stored.map(drop)
    }
}

/// Stores messages, all or none, and returns once they are durable. An id that
/// its owner has already is a conflict.
pub async fn append(db: &Db, entries: Vec<Entry>) -> Result<(), Error> {
    queue(db, entries).await?.stored().await
}

/// The first half of [`append`]. What is queued later is seen no earlier: whoever
/// gives ids in the order of the queue may read an archive on from its last id
/// and miss nothing. What belongs to an account that is gone goes with it.
pub async fn queue(db: &Db, entries: Vec<Entry>) -> Result<Appending, Error> {
    let mut batch = Vec::with_capacity(entries.len().saturating_mul(2));
    let mut newest = ArchiveId::MIN;
    for entry in &entries {
        let Some(key) = db.key(entry.owner).await? else { continue };
        let statement = match (entry.archived, entry.undelivered) {
            (true, _) => Statement::new(ARCHIVE, archived(&key, entry)?),
            (false, true) => Statement::new(TRANSIENT, transient(&key, entry)?),
            (false, false) => continue,
        };
        batch.push(statement);
        if entry.undelivered {
            batch.push(Statement::new(UNDELIVERED, [entry.owner.into(), entry.id.into()]));
        }
        newest = newest.max(entry.id);
    }
    if batch.is_empty() {
        return Ok(Appending(None));
    }
    batch.extend(mark(db, newest));
    Ok(Appending(Some((db.queue(batch).await?, Arc::clone(&db.archive_mark)))))
}

/// The columns owner, id, peer_hash, full_hash, direction, sealed.
pub(crate) fn archived(key: &DataKey, entry: &Entry) -> Result<[Value; 6], Error> {
    let peer_hash = key.jid(&entry.peer);
    let full_hash = entry.peer_resource.as_deref().map(|resource| key.full_jid(&entry.peer, resource));
    let [owner, id, direction, sealed] = transient(key, entry)?;
    Ok([owner, id, peer_hash.into(), full_hash.into(), direction, sealed])
}

/// The columns owner, id, direction, sealed.
pub(crate) fn transient(key: &DataKey, entry: &Entry) -> Result<[Value; 4], Error> {
    let fields = Fields::new(entry.stanza.len().saturating_add(entry.peer.len()).saturating_add(64))
        .text(&entry.peer)
        .opt_text(entry.peer_resource.as_deref())
        .rest(&entry.stanza);
    let sealed = key.seal(place(entry.owner, entry.id), fields)?;
    Ok([entry.owner.into(), entry.id.into(), entry.direction.to_int().into(), sealed])
}

const MARK: &str = "UPDATE archive_mark SET id = ? WHERE one = 1 AND id < ?";
const MARKED: &str = "SELECT id FROM archive_mark WHERE one = 1";

/// About once a second, with the messages of that time: the note of how far the ids have come.
fn mark(db: &Db, newest: ArchiveId) -> Option<Statement> {
    let marked = ArchiveId::from_i64(db.archive_mark.load(Ordering::Relaxed));
    if marked.is_some_and(|marked| newest.at_ms() < marked.at_ms().saturating_add(limits::ARCHIVE_MARK_MS)) {
        return None;
    }
    db.archive_mark.store(newest.to_i64(), Ordering::Relaxed);
    Some(Statement::new(MARK, [newest.into(), newest.into()]))
}

/// An id that no message of any mailbox has passed, at most
/// [`ARCHIVE_MARK_MS`](limits::ARCHIVE_MARK_MS) beyond the newest: new ids must be
/// greater, also when the clock was set back.
pub async fn newest(db: &Db) -> Result<Option<ArchiveId>, Error> {
    let Some(mut row) = db.query_one(Statement::new(MARKED, [])).await? else { return Ok(None) };
    let marked = Some(read_id(&mut row)?).filter(|id| *id > ArchiveId::MIN);
    Ok(marked.map(|id| ArchiveId::last_at(id.at_ms().saturating_add(limits::ARCHIVE_MARK_MS))))
}

const EXISTS: &str = "SELECT 1 FROM archive WHERE owner = ? AND id = ?";
const FIRST: &str = "SELECT id FROM archive /*!FORCE INDEX (PRIMARY)*/ WHERE owner = ? ORDER BY id LIMIT 1";
const LAST: &str = "\
SELECT id FROM archive /*!FORCE INDEX (PRIMARY)*/ WHERE owner = ? ORDER BY id DESC LIMIT 1";

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
