//! Serving a renewed certificate without a restart: on demand (SIGHUP) and when the files change.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::error::TlsError;
use super::{Tls, load_identity};

/// What the file system says about the two files: enough to tell that they were written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamps([Option<(SystemTime, u64)>; 2]);

impl Stamps {
    pub(super) fn of(cert: &Path, key: &Path) -> Self {
        // Follows links: renewal tools replace the link, not what it points to.
        Self([cert, key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        }))
    }
}

impl Tls {
    /// Reads both files again. New connections get the new certificate; open ones keep theirs.
    ///
    /// # Errors
    /// See [`TlsError`]; the old certificate then stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut seen = self.seen.lock();
        // Before reading: what is written meanwhile counts as another change.
        *seen = Stamps::of(&self.cert, &self.key);
        let identity = load_identity(&self.cert, &self.key)?;
        *self.current.write() = Arc::new(identity);
        Ok(())
    }

    /// [`Tls::reload`], if a file changed since it was last read. `Ok(false)` when none did.
    ///
    /// # Errors
    /// See [`Tls::reload`]. The same bad files are not reported twice.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        if Stamps::of(&self.cert, &self.key) == *self.seen.lock() {
            return Ok(false);
        }
        self.reload().map(|()| true)
    }

    /// Looks at the files once every `period`, for ever. A pair that does not fit, as between the writing
    /// of one file and the other, is warned about and tried again when it changes.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let tls = Arc::clone(&self);
            match spawn_blocking(move || tls.reload_if_changed()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => info!(file = %self.cert.display(), "serving a new certificate"),
                Ok(Err(error)) => warn!("keeping the old certificate: {error}"),
                // The runtime is shutting down.
                Err(_) => return,
            }
        }
    }
}
