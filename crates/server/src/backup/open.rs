//! Opening a backup that is there.

use std::sync::Arc;

use blob::{Name, Store};

use super::create::in_thread;
use super::key::{BackupKey, Header};
use super::manifest::Manifest;
use super::stream::Opening;
use super::{Error, Secrets, catalogue, limits};

/// A whole backup, unlocked.
pub struct Backup<'a> {
    /// Its name.
    pub id: String,
    /// What it holds.
    pub manifest: Manifest,
    pub(super) folder: Name,
    pub(super) place: &'a Store,
    pub(super) key: BackupKey,
    pub(super) secrets: Arc<Secrets>,
}

/// Opens the backup of this name, or the newest one.
///
/// # Errors
/// When there is none, it is damaged or unfinished, or the secrets do not open it.
pub async fn open<'a>(place: &'a Store, id: Option<&str>, secrets: Arc<Secrets>) -> Result<Backup<'a>, Error> {
    place.check().await?;
    let id = match id {
        Some(id) => id.to_owned(),
        None => catalogue::newest(place).await?.ok_or_else(|| Error::NoBackup(place.to_string()))?,
    };
    let not_there = || Error::NotThere { id: id.clone(), place: place.to_string() };
    let folder: Name = id.parse().map_err(|_| not_there())?;
    let header = place.get_bytes(&folder.join("header")?, limits::HEADER_BYTES_MAX).await?.ok_or_else(not_there)?;
    let damaged = |what: &str| Error::Damaged { id: id.clone(), what: what.to_owned() };
    let header: Header = serde_json::from_slice(&header).map_err(|_| damaged("its header is not readable"))?;
    let (for_key, unlocking) = (id.clone(), Arc::clone(&secrets));
    let key = in_thread(move || BackupKey::unlock(&for_key, &header, &unlocking)).await?;
    if place.head(&folder.join("manifest.00000")?).await?.is_none() {
        return Err(Error::Unfinished(id));
    }
    let manifest = Opening::begin(place, &folder, "manifest", &key)?.rest(limits::MANIFEST_BYTES_MAX).await?;
    let manifest = serde_json::from_slice(&manifest).map_err(|_| damaged("its manifest is not readable"))?;
    Ok(Backup { id, manifest, folder, place, key, secrets })
}

impl Backup<'_> {
    pub(super) fn stream(&self, name: &'static str) -> Result<Opening<'_>, Error> {
        Opening::begin(self.place, &self.folder, name, &self.key)
    }

    pub(super) fn damaged(&self, what: String) -> Error {
        Error::Damaged { id: self.id.clone(), what }
    }
}

/// Copies an object; false if it is not there.
pub(super) async fn copy(from: &Store, name: &Name, to: &Store, copy: &Name) -> Result<bool, Error> {
    let Some(mut reader) = from.get(name).await? else { return Ok(false) };
    let mut writer = to.put(copy).await?;
    while let Some(piece) = reader.next().await? {
        writer.write(piece).await?;
    }
    writer.finish().await?;
    Ok(true)
}
