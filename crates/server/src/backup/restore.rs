//! Restoring a backup: read it through once and believe nothing, then write, then compare what the database now holds.

use blob::{Name, Store};
use bytes::Bytes;
use storage::tables::{self, Record, Summing, TABLES, Table};
use storage::{Db, accounts};

use super::create::media_name;
use super::frame::Frame;
use super::keys::Keys;
use super::manifest::TableSum;
use super::open::{Backup, copy};
use super::{Error, limits};

/// What a database says that was left half filled.
const COMMAND: &str = "backup restore";

/// Fills the database, which must be empty unless it is to be `replaced`, and `media`. Whoever calls has stopped the
/// server. A damaged backup changes nothing; what fails later leaves an empty database, what is interrupted one that nobody
/// opens but another restore. Returns how many accounts are
/// left out, because they were deleted since.
///
/// # Errors
/// Why it was refused, or what went wrong.
pub async fn restore(backup: &Backup<'_>, db: &Db, media: Option<&Store>, replaced: bool) -> Result<u64, Error> {
    let manifest = &backup.manifest;
    let known = tables::schema_version();
    if manifest.schema != known {
        let (id, made_by) = (backup.id.clone(), manifest.made_by.clone());
        return Err(Error::Schema { id, found: manifest.schema, known, made_by });
    }
    // A passphrase opens the backup, and not what its rows hold.
    if !backup.secrets.has(&manifest.master_key) {
        return Err(Error::MasterKey(backup.id.clone()));
    }
    let in_use = tables::first_table_in_use(db).await?;
    // What a command has left half filled is nobody's.
    if let Some(table) = in_use
        && !replaced
        && tables::filled_by(db).await?.is_none()
    {
        return Err(Error::NotEmpty(table));
    }
    if verify(backup).await?.is_none() {
        return Err(Error::KeysLocked(backup.place.to_string()));
    }
    tables::begin_filling(db, COMMAND).await?;
    if in_use.is_some() {
        tables::clear(db).await?;
    }
    let filled = fill(backup, db, media).await;
    // Why it failed says more than why it could not be emptied.
    if filled.is_ok() || tables::clear(db).await.is_ok() {
        tables::end_filling(db).await?;
    }
    filled
}

async fn fill(backup: &Backup<'_>, db: &Db, media: Option<&Store>) -> Result<u64, Error> {
    if let Some(media) = media {
        restore_media(backup, media).await?;
    }
    let joined = read_rows(backup, Some(db)).await?.ok_or_else(|| Error::KeysLocked(backup.place.to_string()))?;
    tables::keep_accounts_past(db, backup.manifest.highest_account).await?;
    let snapshot = db.snapshot().await?;
    for (table, expected) in TABLES.iter().zip(&backup.manifest.tables) {
        let expected = if table.has_account_keys() { &joined.accounts } else { expected };
        if TableSum::new(table.name, &tables::sum(&snapshot, table).await?) != *expected {
            return Err(Error::Differs(table.name));
        }
    }
    drop(snapshot);
    // Those without a key are what an interrupted deletion leaves.
    accounts::finish_deletions(db).await?;
    Ok(joined.gone)
}

/// Reads the whole backup, and compares it with its manifest. Returns how many of its accounts were deleted since,
/// `None` where only a passphrase is at hand: that does not open the accounts' keys.
///
/// # Errors
/// [`Error::Damaged`] where it differs.
pub async fn verify(backup: &Backup<'_>) -> Result<Option<u64>, Error> {
    let joined = read_rows(backup, None).await?;
    let mut missing = None;
    let mut count: u64 = 0;
    let mut stream = backup.stream("media")?;
    loop {
        match Frame::read(&mut stream).await? {
            Frame::End => break,
            Frame::Medium(name) => {
                count = count.saturating_add(1);
                let medium: Name = name.parse().map_err(|_| stream.damaged("names what is no medium"))?;
                if backup.place.head(&media_name(&medium)?).await?.is_none() {
                    missing = Some(name);
                }
            }
            _ => return Err(stream.damaged("has something else in it")),
        }
    }
    stream.finish().await?;
    match missing {
        Some(name) => Err(backup.damaged(format!("medium {name} is missing"))),
        None if count != backup.manifest.media => Err(backup.damaged(String::from("media are missing in its list"))),
        None => Ok(joined.map(|joined| joined.gone)),
    }
}

/// Every row, compared with the manifest, and written if there is somewhere to.
async fn read_rows(backup: &Backup<'_>, db: Option<&Db>) -> Result<Option<Joined>, Error> {
    let mut stream = backup.stream("rows")?;
    let mut expected = backup.manifest.tables.iter();
    let mut current: Option<Reading<'_>> = None;
    let mut joined = None;
    loop {
        let frame = Frame::read(&mut stream).await?;
        let is_end = frame == Frame::End;
        match frame {
            Frame::Rows(rows) => match &mut current {
                Some(reading) => reading.rows(rows, db).await.map_err(|error| of_backup(backup, error))?,
                None => return Err(stream.damaged("has rows of no table")),
            },
            Frame::Table(_) | Frame::End => {
                if let Some(reading) = current.take() {
                    let (sum, with_keys) = reading.finish(db).await?;
                    if expected.next() != Some(&sum) {
                        return Err(backup.damaged(format!("table {} is not what its manifest says", sum.table)));
                    }
                    joined = with_keys.or(joined);
                }
                if let Frame::Table(name) = frame {
                    let table = TABLES.iter().find(|table| table.name == name);
                    let table = table.ok_or_else(|| stream.damaged("has an unknown table"))?;
                    current = Some(Reading::of(table, backup).await?);
                }
            }
            Frame::Medium(_) => return Err(stream.damaged("has something else in it")),
        }
        if is_end {
            break;
        }
    }
    stream.finish().await?;
    match expected.next() {
        Some(missing) => Err(backup.damaged(format!("table {} is missing", missing.table))),
        None if backup.manifest.tables.len() != TABLES.len() => Err(backup.damaged(String::from("tables are missing"))),
        None => Ok(joined),
    }
}

/// The accounts once their keys have joined them.
struct Joined {
    /// What the database must have then.
    accounts: TableSum,
    /// How many have no key any more.
    gone: u64,
}

/// A row that does not fit its table is the backup's fault, not the database's.
fn of_backup(backup: &Backup<'_>, error: Error) -> Error {
    match error {
        Error::Storage(storage::Error::Corrupt(what)) => backup.damaged(what),
        error => error,
    }
}

/// A table on its way in.
struct Reading<'a> {
    table: &'static Table,
    summing: Summing,
    joining: Option<Joining<'a>>,
    batch: Vec<Record>,
    batch_bytes: usize,
}

/// Accounts on their way to their keys.
struct Joining<'a> {
    keys: Keys<'a>,
    summing: Summing,
    gone: u64,
}

impl<'a> Reading<'a> {
    async fn of(table: &'static Table, backup: &Backup<'a>) -> Result<Self, Error> {
        let joining = match table.has_account_keys() {
            true => match Keys::open(backup.place, &backup.secrets).await {
                Ok(keys) => Some(Joining { keys, summing: Summing::default(), gone: 0 }),
                Err(Error::KeysLocked(_)) => None,
                Err(error) => return Err(error),
            },
            false => None,
        };
        Ok(Self { table, summing: Summing::default(), joining, batch: Vec::new(), batch_bytes: 0 })
    }

    async fn rows(&mut self, mut rows: Bytes, db: Option<&Db>) -> Result<(), Error> {
        while !rows.is_empty() {
            let before = rows.len();
            let mut record = Record::decode(self.table, &mut rows)?;
            self.summing.add(&record);
            if let Some(joining) = &mut self.joining {
                joining.gone =
                    joining.gone.saturating_add(u64::from(!joining.keys.join(self.table, &mut record).await?));
                joining.summing.add(&record);
            }
            let Some(db) = db else { continue };
            self.batch.push(record);
            self.batch_bytes = self.batch_bytes.saturating_add(before.saturating_sub(rows.len()));
            let rows_max = usize::try_from(storage::limits::COPY_PAGE_ROWS).unwrap_or(usize::MAX);
            if self.batch.len() >= rows_max || self.batch_bytes >= limits::FRAME_BYTES {
                self.flush(db).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self, db: &Db) -> Result<(), Error> {
        self.batch_bytes = 0;
        Ok(tables::insert(db, self.table, std::mem::take(&mut self.batch)).await?)
    }

    async fn finish(mut self, db: Option<&Db>) -> Result<(TableSum, Option<Joined>), Error> {
        if let Some(db) = db {
            self.flush(db).await?;
        }
        let mut joined = None;
        if let Some(Joining { keys, summing, gone }) = self.joining {
            keys.finish().await?;
            joined = Some(Joined { accounts: TableSum::new(self.table.name, &summing.finish()), gone });
        }
        Ok((TableSum::new(self.table.name, &self.summing.finish()), joined))
    }
}

async fn restore_media(backup: &Backup<'_>, media: &Store) -> Result<(), Error> {
    let mut stream = backup.stream("media")?;
    while let Frame::Medium(name) = Frame::read(&mut stream).await? {
        let name: Name = name.parse()?;
        let source = media_name(&name)?;
        if media.head(&name).await?.is_none() && !copy(backup.place, &source, media, &name).await? {
            return Err(backup.damaged(format!("medium {name} is missing")));
        }
    }
    Ok(())
}
