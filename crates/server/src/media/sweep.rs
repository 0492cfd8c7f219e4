//! Comparing store and database: parts that no row names, because the server died before it could say so, and rows whose
//! parts are lost.

use storage::limits::DELETE_STEP_ROWS;
use storage::uploads::{self, ObjectId};

use super::{Error, name};
use crate::host::Host;

/// How long a part may take to be named by a row, in milliseconds: parts are small, so a day is long.
const NAMED_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;

/// What a sweep found and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Parts that no row named.
    pub parts: u64,
    /// Uploads whose content was lost.
    pub uploads: u64,
}

impl Swept {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Removes parts without a row, and uploads without their parts. Where most media are missing nothing is removed: that is
/// no crash, that is another store.
///
/// # Errors
/// When database or store fail.
pub async fn sweep(host: &Host) -> Result<Swept, Error> {
    Ok(Swept { parts: unnamed_parts(host).await?, uploads: lost_uploads(host).await? })
}

async fn unnamed_parts(host: &Host) -> Result<u64, Error> {
    let store = host.media.store()?;
    let young = host.clock.now_ms().saturating_sub(NAMED_WITHIN_MS);
    let mut names = store.list(None);
    let mut removed: u64 = 0;
    while let Some(stored) = names.next().await? {
        let Some((object, part)) = name::parse(&stored.name) else { continue };
        if name::begun_ms(part) > young {
            continue;
        }
        let named = uploads::parts(&host.db, object).await?.unwrap_or_default();
        if !named.iter().any(|named| named.id == part) {
            store.delete(&stored.name).await?;
            removed = removed.saturating_add(1);
        }
    }
    Ok(removed)
}

async fn lost_uploads(host: &Host) -> Result<u64, Error> {
    let store = host.media.store()?;
    let (mut after, mut there) = (ObjectId::MIN, 0_u64);
    let mut lost = Vec::new();
    loop {
        let page = uploads::page(&host.db, after, DELETE_STEP_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = last.object;
        for medium in page.iter().filter(|medium| !medium.parts.is_empty()) {
            let mut is_there = true;
            for part in &medium.parts {
                is_there &= store.head(&name::of(medium.object, part.id)?).await?.is_some();
            }
            if is_there {
                there = there.saturating_add(1);
            } else {
                lost.push(medium.object);
            }
        }
    }
    if u64::try_from(lost.len()).unwrap_or(u64::MAX) > there {
        let missing = lost.len();
        tracing::error!(missing, there, "most media are not in the store: does media.url name the right one?");
        return Ok(0);
    }
    let mut removed: u64 = 0;
    for object in lost {
        // It may have been removed as it should be since it was listed.
        removed = removed.saturating_add(uploads::lost(&host.db, object).await?);
    }
    Ok(removed)
}
