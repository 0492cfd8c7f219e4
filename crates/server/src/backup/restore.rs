//! Restoring a backup: read it through once and believe nothing, then write, then compare what the database now holds.

use blob::{Name, Store};
use bytes::Bytes;
use storage::Db;
use storage::tables::{self, Record, Summing, TABLES, Table};

use super::create::media_name;
use super::frame::Frame;
use super::manifest::TableSum;
use super::open::{Backup, copy};
use super::{Error, limits};

/// Fills the database, which must be empty unless it is to be `replaced`, and `media`. Whoever calls has stopped the
/// server. A damaged backup changes nothing; what fails later leaves an empty database.
///
/// # Errors
/// Why it was refused, or what went wrong.
pub async fn restore(backup: &Backup<'_>, db: &Db, media: Option<&Store>, replaced: bool) -> Result<(), Error> {
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
    if let Some(table) = in_use
        && !replaced
    {
        return Err(Error::NotEmpty(table));
    }
    verify(backup).await?;
    if in_use.is_some() {
        tables::clear(db).await?;
    }
    if let Some(media) = media {
        restore_media(backup, media).await?;
    }
    let filled = fill(backup, db).await;
    if filled.is_err() {
        // Why it failed says more than why it could not be emptied.
        let _ = tables::clear(db).await;
    }
    filled
}

async fn fill(backup: &Backup<'_>, db: &Db) -> Result<(), Error> {
    read_rows(backup, Some(db)).await?;
    tables::keep_accounts_past(db, backup.manifest.highest_account).await?;
    let snapshot = db.snapshot().await?;
    for (table, expected) in TABLES.iter().zip(&backup.manifest.tables) {
        if TableSum::new(table.name, &tables::sum(&snapshot, table).await?) != *expected {
            return Err(Error::Differs(table.name));
        }
    }
    Ok(())
}

/// Reads the whole backup, and compares it with its manifest.
///
/// # Errors
/// [`Error::Damaged`] where it differs.
pub async fn verify(backup: &Backup<'_>) -> Result<(), Error> {
    read_rows(backup, None).await?;
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
        None => Ok(()),
    }
}

/// Every row, compared with the manifest, and written if there is somewhere to.
async fn read_rows(backup: &Backup<'_>, db: Option<&Db>) -> Result<(), Error> {
    let mut stream = backup.stream("rows")?;
    let mut expected = backup.manifest.tables.iter();
    let mut current: Option<Reading> = None;
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
                    let sum = reading.finish(db).await?;
                    if expected.next() != Some(&sum) {
                        return Err(backup.damaged(format!("table {} is not what its manifest says", sum.table)));
                    }
                }
                if let Frame::Table(name) = frame {
                    let table = TABLES.iter().find(|table| table.name == name);
                    current = Some(Reading::of(table.ok_or_else(|| stream.damaged("has an unknown table"))?));
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
        None => Ok(()),
    }
}

/// A row that does not fit its table is the backup's fault, not the database's.
fn of_backup(backup: &Backup<'_>, error: Error) -> Error {
    match error {
        Error::Storage(storage::Error::Corrupt(what)) => backup.damaged(what),
        error => error,
    }
}

/// A table on its way in.
struct Reading {
    table: &'static Table,
    summing: Summing,
    batch: Vec<Record>,
    batch_bytes: usize,
}

impl Reading {
    fn of(table: &'static Table) -> Self {
        Self { table, summing: Summing::default(), batch: Vec::new(), batch_bytes: 0 }
    }

    async fn rows(&mut self, mut rows: Bytes, db: Option<&Db>) -> Result<(), Error> {
        while !rows.is_empty() {
            let before = rows.len();
            let record = Record::decode(self.table, &mut rows)?;
            self.summing.add(&record);
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

    async fn finish(mut self, db: Option<&Db>) -> Result<TableSum, Error> {
        if let Some(db) = db {
            self.flush(db).await?;
        }
        Ok(TableSum::new(self.table.name, &self.summing.finish()))
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
