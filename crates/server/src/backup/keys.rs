//! The keys of a place: what opens its accounts, once for all of its backups, replaced by each one that is made. An
//! account that was deleted is noise in every backup of the place from the next one on.
//! ```text
//! keys/20261124T053512Z-1f2e3d4c/keys.00000 ...  name and wrapped key of every account there is, in the order of ids
//! keys/20261124T053512Z-1f2e3d4c/lock            how the stream's key is wrapped; written last: with it the set counts
//! ```
//! A stream without its lock opens for nobody: its key was in memory alone. Until the old set is gone there are two, and
//! whoever restores reads both. The master key locks them, also where a passphrase locks the backups: it wraps what is
//! in them anyway.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blob::{Name, Store};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storage::tables::{self, ACCOUNT_KEYS, Record, Table};

use super::frame::Frame;
use super::key::{self, BackupKey, Header, KEY_BYTES};
use super::stream::{Opening, Sealing};
use super::{Error, Secrets, catalogue, limits};

const KEYS: &str = "keys";
const LOCK: &str = "lock";

/// `lock`, in JSON.
#[derive(Serialize, Deserialize)]
struct Lock {
    header: Header,
    /// Sealed with a secret of the deployment: the greatest id that an account had.
    guard: String,
}

/// The keys that one backup brought.
pub(super) struct Set {
    /// The backup's name.
    id: String,
    folder: Name,
    is_whole: bool,
}

/// All sets of a place, the oldest first.
pub(super) async fn sets(place: &Store) -> Result<Vec<Set>, Error> {
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    let mut names = place.list(Some(&KEYS.parse()?));
    while let Some(object) = names.next().await? {
        let mut parts = object.name.parts().skip(1);
        let (Some(id), Some(file)) = (parts.next(), parts.next()) else { continue };
        *found.entry(id.to_owned()).or_default() |= file == LOCK;
    }
    let set = |(id, is_whole): (String, bool)| Ok(Set { folder: folder(&id)?, id, is_whole });
    found.into_iter().map(set).collect()
}

/// Refuses to replace keys that are not this deployment's, or newer than this database: backups would be lost.
pub(super) async fn may_be_replaced(
    place: &Store,
    sets: &[Set],
    deployment: &[u8; KEY_BYTES],
    highest_account: i64,
) -> Result<(), Error> {
    for set in sets.iter().filter(|set| set.is_whole) {
        // Somebody else may have replaced it just now.
        let Some(lock) = set.lock(place).await? else { continue };
        let guard = STANDARD.decode(&lock.guard).map_err(|_| set.unreadable())?;
        let known = key::unwrap(deployment, &set.id, &guard).and_then(|plain| plain.first_chunk().copied());
        let known = known.ok_or_else(|| Error::OtherDeployment(place.to_string()))?;
        if i64::from_be_bytes(known) > highest_account {
            return Err(Error::NewerKeys(place.to_string()));
        }
    }
    Ok(())
}

/// Removes sets that another one has replaced, and what was begun long ago and never finished.
pub(super) async fn retire(place: &Store, sets: &[Set], now_ms: i64) -> Result<(), Error> {
    for set in sets {
        let age_ms = catalogue::time_of(&set.id).map_or(i64::MAX, |at_ms| now_ms.saturating_sub(at_ms));
        if !set.is_whole && age_ms < limits::ABANDONED_AFTER_MS {
            continue;
        }
        // Without it, the rest is noise.
        place.delete(&set.folder.join(LOCK)?).await?;
        let mut names = place.list(Some(&set.folder));
        while let Some(object) = names.next().await? {
            place.delete(&object.name).await?;
        }
    }
    Ok(())
}

impl Set {
    async fn lock(&self, place: &Store) -> Result<Option<Lock>, Error> {
        let Some(lock) = place.get_bytes(&self.folder.join(LOCK)?, limits::HEADER_BYTES_MAX).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&lock).map(Some).map_err(|_| self.unreadable())
    }

    fn unreadable(&self) -> Error {
        Error::Damaged { id: self.folder.to_string(), what: String::from("its lock is not readable") }
    }
}

fn folder(id: &str) -> Result<Name, Error> {
    Ok(KEYS.parse::<Name>()?.join(id)?)
}

/// A set on its way into a place.
pub(super) struct NewSet<'a> {
    id: String,
    folder: Name,
    place: &'a Store,
    header: Header,
    stream: Sealing<'a>,
    rows: Vec<u8>,
}

impl<'a> NewSet<'a> {
    pub(super) fn begin(place: &'a Store, id: &str, secrets: &Secrets) -> Result<Self, Error> {
        let folder = folder(id)?;
        let (key, header) = BackupKey::create(folder.as_str(), &secrets.without_passphrase())?;
        let stream = Sealing::begin(place, &folder, KEYS, &key)?;
        Ok(Self { id: id.to_owned(), folder, place, header, stream, rows: Vec::new() })
    }

    /// Takes the key out of an account's row.
    pub(super) async fn part(&mut self, accounts: &Table, row: &mut Record) -> Result<(), Error> {
        let Some(key) = tables::part_key(accounts, row) else { return Ok(()) };
        key.encode(&mut self.rows);
        if self.rows.len() >= limits::FRAME_BYTES {
            Frame::Rows(std::mem::take(&mut self.rows).into()).write(&mut self.stream).await?;
        }
        Ok(())
    }

    /// Has the set count.
    pub(super) async fn finish(mut self, deployment: &[u8; KEY_BYTES], highest_account: i64) -> Result<(), Error> {
        if !self.rows.is_empty() {
            Frame::Rows(std::mem::take(&mut self.rows).into()).write(&mut self.stream).await?;
        }
        Frame::End.write(&mut self.stream).await?;
        self.stream.finish().await?;
        let mut guard = [0; KEY_BYTES];
        guard.iter_mut().zip(highest_account.to_be_bytes()).for_each(|(to, from)| *to = from);
        let guard = key::wrap(deployment, &self.id, &guard).ok_or(Error::NoRandomness)?;
        let lock = Lock { header: self.header, guard: STANDARD.encode(guard) };
        let lock = serde_json::to_vec(&lock).map_err(|_| Error::NoRandomness)?;
        Ok(self.place.put_bytes(&self.folder.join(LOCK)?, lock.into()).await?)
    }
}

/// The keys of a place, read along with the accounts of a backup: both are in the order of ids.
pub(super) struct Keys<'a> {
    sets: Vec<Reading<'a>>,
}

struct Reading<'a> {
    stream: Opening<'a>,
    rows: Bytes,
    next: Option<Record>,
    is_end: bool,
}

impl<'a> Keys<'a> {
    /// Those that the master keys at hand open.
    pub(super) async fn open(place: &'a Store, secrets: &Secrets) -> Result<Self, Error> {
        let mut locked = false;
        let mut readings = Vec::new();
        for set in sets(place).await?.into_iter().filter(|set| set.is_whole) {
            let Some(lock) = set.lock(place).await? else { continue };
            match BackupKey::unlock(set.folder.as_str(), &lock.header, secrets) {
                Ok(key) => {
                    let stream = Opening::begin(place, &set.folder, KEYS, &key)?;
                    readings.push(Reading { stream, rows: Bytes::new(), next: None, is_end: false });
                }
                Err(Error::MasterKey(_)) => locked = true,
                Err(error) => return Err(error),
            }
        }
        match readings.is_empty() {
            false => Ok(Self { sets: readings }),
            true if locked => Err(Error::KeysLocked(place.to_string())),
            true => Err(Error::NoKeys(place.to_string())),
        }
    }

    /// Gives an account's row its key back; false if there is none any more, because the account was deleted.
    pub(super) async fn join(&mut self, accounts: &Table, row: &mut Record) -> Result<bool, Error> {
        let mut own = None;
        for set in &mut self.sets {
            while let Some(key) = set.peek().await? {
                let order = tables::compare_key(accounts, key, row);
                if order.is_gt() {
                    break;
                }
                let key = set.next.take();
                // The newest set comes last.
                own = if order.is_eq() { key } else { own };
            }
        }
        Ok(tables::join_key(accounts, row, own.as_ref()))
    }

    /// Makes sure that the sets are whole.
    pub(super) async fn finish(self) -> Result<(), Error> {
        for mut set in self.sets {
            while set.peek().await?.is_some() {
                set.next = None;
            }
            set.stream.finish().await?;
        }
        Ok(())
    }
}

impl Reading<'_> {
    async fn peek(&mut self) -> Result<Option<&Record>, Error> {
        while self.next.is_none() && !self.is_end {
            if self.rows.is_empty() {
                match Frame::read(&mut self.stream).await? {
                    Frame::Rows(rows) => self.rows = rows,
                    Frame::End => self.is_end = true,
                    _ => return Err(self.stream.damaged("has something else in it")),
                }
                continue;
            }
            let torn = |_| self.stream.damaged("has a torn row");
            self.next = Some(Record::decode(&ACCOUNT_KEYS, &mut self.rows).map_err(torn)?);
        }
        Ok(self.next.as_ref())
    }
}

#[cfg(test)]
mod tests;
