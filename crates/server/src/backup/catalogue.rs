//! Which backups a place has, and removing old ones with the media that no other needs.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::digest;
use blob::{Name, Store};
use time::macros::format_description;

use super::frame::Frame;
use super::{Error, MEDIA, Secrets, limits, open};

/// A backup, as far as it shows without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Bytes it takes, media not counted.
    pub bytes: u64,
    /// Whether it was finished.
    pub is_whole: bool,
}

/// Every backup of a place, the oldest first.
///
/// # Errors
/// When the place cannot be read.
pub async fn list(place: &Store) -> Result<Vec<Listed>, Error> {
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    let mut names = place.list(None);
    while let Some(object) = names.next().await? {
        let Some((id, file)) = object.name.as_str().split_once('/') else { continue };
        let Some(at_ms) = time_of(id) else { continue };
        let fresh = || Listed { id: id.to_owned(), at_ms, bytes: 0, is_whole: false };
        let listed = found.entry(id.to_owned()).or_insert_with(fresh);
        listed.bytes = listed.bytes.saturating_add(object.bytes);
        listed.is_whole |= file == "manifest.00000";
    }
    Ok(found.into_values().collect())
}

/// The newest one that was finished.
pub(super) async fn newest(place: &Store) -> Result<Option<String>, Error> {
    Ok(list(place).await?.into_iter().rev().find(|listed| listed.is_whole).map(|listed| listed.id))
}

/// Removes all but the newest `keep` backups, what was begun long ago and never finished, and media that only those
/// had; returns the names of the removed ones. At least one is kept.
///
/// # Errors
/// When the place cannot be read or written, or one that stays cannot be opened: its media would be lost.
pub async fn prune(place: &Store, keep: usize, secrets: &Arc<Secrets>, now_ms: i64) -> Result<Vec<String>, Error> {
    let all = list(place).await?;
    let whole: Vec<&Listed> = all.iter().filter(|listed| listed.is_whole).collect();
    let old = whole.len().saturating_sub(keep.max(1));
    let abandoned =
        |listed: &&Listed| !listed.is_whole && now_ms.saturating_sub(listed.at_ms) > limits::ABANDONED_AFTER_MS;
    let outdated = whole.iter().take(old).copied().chain(all.iter().filter(abandoned));
    let removed: Vec<String> = outdated.map(|listed| listed.id.clone()).collect();
    if removed.is_empty() {
        return Ok(removed);
    }
    for id in &removed {
        remove(place, &id.parse()?).await?;
    }
    let is_one_under_way = all.iter().any(|listed| !listed.is_whole && !removed.contains(&listed.id));
    // One that is being made may count on a medium that no other needs.
    if !is_one_under_way {
        let kept = whole.iter().skip(old).map(|listed| listed.id.as_str());
        remove_media(place, kept, secrets).await?;
    }
    Ok(removed)
}

/// The manifest goes first: from then on the backup is not whole.
async fn remove(place: &Store, folder: &Name) -> Result<(), Error> {
    place.delete(&folder.join("manifest.00000")?).await?;
    let mut names = place.list(Some(folder));
    while let Some(object) = names.next().await? {
        place.delete(&object.name).await?;
    }
    Ok(())
}

async fn remove_media(place: &Store, kept: impl Iterator<Item = &str>, secrets: &Arc<Secrets>) -> Result<(), Error> {
    let mut needed = HashSet::new();
    for id in kept {
        let backup = open(place, Some(id), Arc::clone(secrets)).await?;
        let mut stream = backup.stream("media")?;
        while let Frame::Medium(name) = Frame::read(&mut stream).await? {
            needed.insert(short(&name));
            if needed.len() > limits::MEDIA_NAMES_MAX {
                return Ok(());
            }
        }
    }
    let mut names = place.list(Some(&MEDIA.parse()?));
    while let Some(object) = names.next().await? {
        let name = object.name.as_str().split_once('/').map_or("", |(_, name)| name);
        if !needed.contains(&short(name)) {
            place.delete(&object.name).await?;
        }
    }
    Ok(())
}

/// Enough of a hash to know a name again.
fn short(name: &str) -> u128 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    hash.as_ref().first_chunk().map_or(0, |chunk| u128::from_be_bytes(*chunk))
}

/// The time in a backup's name; `None` for another name.
pub(super) fn time_of(id: &str) -> Option<i64> {
    let (time, random) = id.split_once('-')?;
    if random.len() != 8 || !random.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = time::PrimitiveDateTime::parse(time, format).ok()?;
    time.assume_utc().unix_timestamp().checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_like_a_backup_is_one() {
        assert_eq!(time_of("20261124T053512Z-1f2e3d4c"), Some(1_795_498_512_000));
        for other in
            ["media", "20261124T053512Z", "20261124T053512Z-1f2e3d4", "20261324T053512Z-1f2e3d4c", "a-1f2e3d4c"]
        {
            assert_eq!(time_of(other), None, "{other}");
        }
    }
}
