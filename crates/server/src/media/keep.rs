//! Forgetting: slots that have expired, files past the retention, and then the parts that nobody holds any more. The
//! database says what is to go, the part goes, then its row: a crash repeats a step and loses none.

use std::sync::Arc;
use std::time::Duration;

use blob::Store;
use storage::uploads::{self, Medium, ObjectId, Part};
use storage::{Db, limits::DELETE_STEP_ROWS};

use super::{Error, name, sweep};
use crate::config::Retention;
use crate::host::Host;

/// Does all that for as long as the server runs, and sweeps once a day.
pub async fn keep_forever(host: Arc<Host>) {
    let mut swept_ms = None;
    loop {
        if let Err(error) = clean_up(&host).await {
            tracing::warn!(%error, "media that are to be removed wait for the next time");
        }
        let now_ms = host.clock.now_ms();
        let sweep_ms = i64::try_from(host.config.limits.media_sweep_secs).unwrap_or(i64::MAX).saturating_mul(1000);
        if swept_ms.is_none_or(|at: i64| now_ms.saturating_sub(at) >= sweep_ms) {
            swept_ms = Some(now_ms);
            match sweep(&host).await {
                Ok(swept) if swept.is_clean() => {}
                Ok(swept) => tracing::warn!(?swept, "the media store and the database differed"),
                Err(error) => tracing::warn!(%error, "the media store could not be compared with the database"),
            }
        }
        let pause = Duration::from_secs(host.config.limits.media_purge_secs);
        let _ = tokio::time::timeout(pause, host.media.wanted.notified()).await;
    }
}

/// Removes what has expired and what nobody holds.
///
/// # Errors
/// When database or store fail: the rest goes the next time.
pub async fn clean_up(host: &Host) -> Result<(), Error> {
    let now_ms = host.clock.now_ms();
    let before_ms = match host.config.media.retention {
        Retention::For(time) => Some(now_ms.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))),
        Retention::Forever | Retention::UntilDelivered => None,
    };
    while uploads::expire(&host.db, now_ms, before_ms, DELETE_STEP_ROWS).await? >= u64::from(DELETE_STEP_ROWS) {
        tokio::task::yield_now().await;
    }
    remove_unheld(&host.db, host.media.store()?).await
}

/// Removes the parts of media that nobody holds, and then their rows.
///
/// # Errors
/// When database or store fail: the rest goes the next time.
pub async fn remove_unheld(db: &Db, store: &Store) -> Result<(), Error> {
    let mut after = ObjectId::MIN;
    loop {
        let removals = uploads::removals(db, after, DELETE_STEP_ROWS).await?;
        let Some(last) = removals.last() else { return Ok(()) };
        after = last.object;
        for removal in removals {
            for part in &removal.parts {
                store.delete(&name::of(removal.object, part.id)?).await?;
            }
            uploads::forget(db, removal.object).await?;
        }
    }
}

/// Removes parts that no row came to name; what that leaves is swept up.
pub async fn discard(host: &Host, medium: &Medium, parts: &[Part]) {
    for part in parts {
        let deleted = async { Ok::<(), Error>(host.media.store()?.delete(&name::of(medium.object, part.id)?).await?) };
        if let Err(error) = deleted.await {
            tracing::warn!(%error, "a part that nobody needs stays in the media store until it is swept up");
        }
    }
}
