//! Media: what clients upload (XEP-0363), sealed and kept in a store, and how it goes again. The database says what
//! there is; the store only has parts under names that nobody guesses:
//! ```text
//! upload (a URL) ──▶ medium (a key) ──▶ parts: MEDIUM.PART in the store, each sealed in segments
//! ```
//! An upload is written part by part and is whole with one commit: before it nobody sees anything. How it comes over
//! HTTP is in [`http::media`](crate::http).

mod content_type;
mod error;
mod file_name;
mod fingerprint;
mod inflow;
mod keep;
mod name;
mod outflow;
pub mod slot;
mod sweep;

use std::collections::HashSet;
use std::sync::Arc;

use blob::{Credentials, Store};
use jid::{BareJid, Jid};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub use content_type::{is_content_type, is_shown_inline};
pub use error::Error;
pub use file_name::{percent_encoded, tidy};
pub use fingerprint::{Fingerprinting, of_medium};
pub use inflow::Inflow;
pub use keep::{clean_up, discard, keep_forever, remove_unheld};
pub use outflow::Outflow;
pub use sweep::{Swept, sweep};

use crate::config::Config;
use crate::segments::SEGMENT_BYTES;

/// Bytes of a part in a folder, and at most in a store that takes a part in one request.
const FOLDER_PART_BYTES: u32 = 16 * 1024 * 1024;
const STORE_PART_BYTES: u32 = 4 * 1024 * 1024;

/// Segments of parts that wait in memory for a store that takes them in one request, over all uploads; beyond it parts
/// end early.
const WAITING_SEGMENTS_MAX: usize = 384;

/// Segments that each such upload may hold besides.
const OWN_SEGMENTS: usize = 2;

/// Segments that are read or written at a time, while there are few transfers.
const SEGMENTS_AT_ONCE: usize = 16;
const FEW_TRANSFERS: usize = 8;

/// The media of a running server.
pub struct Media {
    store: Result<Store, blob::Error>,
    claimed: Arc<Mutex<HashSet<String>>>,
    transfers: Arc<Semaphore>,
    transfers_max: usize,
    waiting: Arc<Semaphore>,
    /// Something is to be removed from the store.
    wanted: Notify,
    service: Option<BareJid>,
}

impl Media {
    /// As `[media]` says; touches no store.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let store = Store::open(&config.media.url, &config.server.data_dir, Credentials::from_env());
        let domain = format!("upload.{}", config.server.domain);
        let is_ours = !config.http.public_url.is_empty()
            && !config.components.secrets.keys().any(|component| component.as_str() == domain);
        let transfers_max = config.limits.media_transfers_max.min(Semaphore::MAX_PERMITS);
        Self {
            store,
            service: BareJid::new(&domain).ok().filter(|_| is_ours),
            claimed: Arc::default(),
            transfers: Arc::new(Semaphore::new(transfers_max)),
            transfers_max,
            waiting: Arc::new(Semaphore::new(WAITING_SEGMENTS_MAX)),
            wanted: Notify::new(),
        }
    }

    /// Where clients ask for slots: `upload.DOMAIN`. None where nobody could upload, or a component has that domain.
    pub fn service(&self) -> Option<&BareJid> {
        self.service.as_ref()
    }

    /// Whether a stanza to that address is for the upload service.
    #[must_use]
    pub fn is_service(&self, to: &Jid) -> bool {
        self.service.as_ref().is_some_and(|service| to.domain() == service.domain() && to.node().is_none())
    }

    /// The store.
    ///
    /// # Errors
    /// When `media.url` names none.
    pub fn store(&self) -> Result<&Store, blob::Error> {
        self.store.as_ref().map_err(Clone::clone)
    }

    /// Room for one transfer, in or out; `None` while there are too many.
    #[must_use]
    pub fn transfer(&self) -> Option<OwnedSemaphorePermit> {
        self.transfers.clone().try_acquire_owned().ok()
    }

    /// Segments that a transfer which begins now reads or writes at a time: several cost less, one takes less memory.
    #[must_use]
    pub fn segments_at_once(&self) -> usize {
        let under_way = self.transfers_max.saturating_sub(self.transfers.available_permits());
        if under_way > FEW_TRANSFERS { 1 } else { SEGMENTS_AT_ONCE }
    }

    /// Keeps an upload for one writer in this process; `None` while it has another. Two processes that write are told
    /// apart by the database.
    #[must_use]
    pub fn claim(&self, token: &str) -> Option<Claim> {
        let is_first = self.claimed.lock().insert(token.to_owned());
        is_first.then(|| Claim { claimed: self.claimed.clone(), token: token.to_owned() })
    }

    /// Has what is to be removed from the store removed soon.
    pub fn clean_up_soon(&self) {
        self.wanted.notify_one();
    }
}

/// An upload with its one writer.
pub struct Claim {
    claimed: Arc<Mutex<HashSet<String>>>,
    token: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().remove(&self.token);
    }
}

/// How many bytes a part of so many has in the store.
fn sealed_bytes(plain: u64) -> u64 {
    let segments = plain.div_ceil(SEGMENT_BYTES as u64).max(1);
    plain.saturating_add(segments.saturating_mul(crate::segments::TAG_BYTES as u64))
}
