//! Making a backup.

use std::sync::Arc;

use aws_lc_rs::rand;
use blob::{Name, Store};
use storage::Db;
use storage::tables::{self, Pages, Summing, TABLES, Table};
use time::macros::format_description;

use super::frame::Frame;
use super::key::BackupKey;
use super::keys::{self, NewSet};
use super::manifest::{Manifest, TableSum};
use super::stream::Sealing;
use super::{Error, MEDIA, Secrets, limits};

/// What the secret is for by which a place knows its deployment again.
const DEPLOYMENT: &str = "place of backups";

/// Backs up the database as it is now, and what of `media` is not in `place` yet, while others write. Returns its name
/// and what it holds. Where it breaks off, there is no backup of that name. From then on no backup of the place opens
/// an account that is not in this one.
///
/// # Errors
/// When the database or a medium cannot be read, or the place not written; when other backups there would be lost.
pub async fn create(
    db: &Db,
    media: Option<&Store>,
    place: &Store,
    secrets: Arc<Secrets>,
    domain: &str,
    now_ms: i64,
) -> Result<(String, Manifest), Error> {
    place.check().await?;
    let id = new_id(now_ms)?;
    let folder: Name = id.parse()?;
    let for_key = id.clone();
    let for_backup = Arc::clone(&secrets);
    let (key, header) = in_thread(move || BackupKey::create(&for_key, &for_backup)).await?;
    let header = serde_json::to_vec(&header).map_err(|_| Error::NoRandomness)?;
    let deployment = db.secret(DEPLOYMENT)?;
    let replaced = keys::sets(place).await?;
    // Media first would miss those that a row of the snapshot names already.
    let snapshot = db.snapshot().await?;
    let highest_account = tables::highest_account(&snapshot).await?;
    keys::may_be_replaced(place, &replaced, &deployment, highest_account).await?;
    place.put_bytes(&folder.join("header")?, header.into()).await?;

    let mut account_keys = NewSet::begin(place, &id, &secrets)?;
    let mut stream = Sealing::begin(place, &folder, "rows", &key)?;
    let mut sums = Vec::new();
    for table in TABLES {
        sums.push(write_table(&snapshot, table, &mut stream, &mut account_keys).await?);
    }
    Frame::End.write(&mut stream).await?;
    let bytes = stream.finish().await?;
    let master_key = tables::master_key(&snapshot).await?.to_string();
    drop(snapshot);
    // Before the backup is whole: no whole one lacks its keys.
    account_keys.finish(&deployment, highest_account).await?;

    let mut stream = Sealing::begin(place, &folder, "media", &key)?;
    let media = match media {
        Some(media) => copy_media(media, place, &mut stream).await?,
        None => 0,
    };
    Frame::End.write(&mut stream).await?;
    stream.finish().await?;

    let manifest = Manifest {
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        domain: domain.to_owned(),
        at_ms: now_ms,
        schema: tables::schema_version(),
        master_key,
        highest_account,
        tables: sums,
        media,
        bytes,
    };
    let mut stream = Sealing::begin(place, &folder, "manifest", &key)?;
    stream.write(&serde_json::to_vec(&manifest).map_err(|_| Error::NoRandomness)?).await?;
    stream.finish().await?;
    keys::retire(place, &replaced, now_ms).await?;
    Ok((id, manifest))
}

async fn write_table(
    snapshot: &storage::Snapshot,
    table: &'static Table,
    stream: &mut Sealing<'_>,
    account_keys: &mut NewSet<'_>,
) -> Result<TableSum, Error> {
    Frame::Table(table.name.to_owned()).write(stream).await?;
    let (mut pages, mut summing, mut rows) = (Pages::of(table), Summing::default(), Vec::new());
    loop {
        let page = pages.next(snapshot).await?;
        let is_end = page.is_empty();
        for mut record in page {
            if table.has_account_keys() {
                account_keys.part(table, &mut record).await?;
            }
            record.encode(&mut rows);
            summing.add(&record);
            if rows.len() >= limits::FRAME_BYTES {
                Frame::Rows(std::mem::take(&mut rows).into()).write(stream).await?;
            }
        }
        if is_end {
            break;
        }
    }
    if !rows.is_empty() {
        Frame::Rows(rows.into()).write(stream).await?;
    }
    Ok(TableSum::new(table.name, &summing.finish()))
}

/// Copies each medium that is not there yet, and notes its name; returns how many there are. They are sealed, and none
/// is ever changed under its name.
async fn copy_media(from: &Store, to: &Store, noted: &mut Sealing<'_>) -> Result<u64, Error> {
    let mut names = from.list(None);
    let mut count: u64 = 0;
    while let Some(medium) = names.next().await? {
        let copy = media_name(&medium.name)?;
        if to.head(&copy).await? != Some(medium.bytes) && !super::open::copy(from, &medium.name, to, &copy).await? {
            // Deleted since it was listed: no row of the snapshot can be helped by it.
            continue;
        }
        Frame::Medium(medium.name.to_string()).write(noted).await?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// Where a medium lies among the backups.
pub(super) fn media_name(medium: &Name) -> Result<Name, Error> {
    Ok(MEDIA.parse::<Name>()?.join(medium.as_str())?)
}

/// Sorts by time; the rest is random, so that two that begin in one second do not meet.
fn new_id(now_ms: i64) -> Result<String, Error> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = time::OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1000)).ok();
    let time = time.and_then(|time| time.format(format).ok()).ok_or(Error::NoRandomness)?;
    let mut random = [0; 4];
    rand::fill(&mut random).map_err(|_| Error::NoRandomness)?;
    Ok(format!("{time}-{:08x}", u32::from_be_bytes(random)))
}

/// Argon2 takes its time, on purpose.
pub(super) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| storage::Error::Unavailable)?
}
