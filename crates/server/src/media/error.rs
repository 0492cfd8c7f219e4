//! What can go wrong with media.

/// Why a medium could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The store failed.
    #[error("media store: {0}")]
    Store(#[from] blob::Error),
    /// The store does not have what the database says.
    #[error("the media store lacks a part of a medium: was it restored from another backup than the database?")]
    Missing,
    /// The store has something else.
    #[error("a part of a medium was changed or cut off in the media store")]
    Damaged,
    /// A key could not be made.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}
