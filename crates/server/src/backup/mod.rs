//! Backups: everything in the database at one moment, sealed, in a folder or an S3 store, made while the server runs.
//!
//! A place holds many backups, each in a folder of its own named after its time, and the media of all of them once:
//! ```text
//! 20261124T053512Z-1f2e3d4c/header           how its key is wrapped: the only thing to be read without a key
//! 20261124T053512Z-1f2e3d4c/rows.00000 ...   every table, in the order of its key
//! 20261124T053512Z-1f2e3d4c/media.00000 ...  which media belong to it
//! 20261124T053512Z-1f2e3d4c/manifest.00000   schema, counts and hashes; written last: with it the backup is whole
//! media/...                                  sealed already, under names that nobody guesses
//! keys/20261124T053512Z-1f2e3d4c/...         what opens the accounts of all backups (`keys.rs`)
//! ```
//! Every backup has a random key, wrapped by a key that is derived from the master key, or from a passphrase. Rows are
//! sealed in the database already; this hides names, structure and how much there is of what.

mod catalogue;
mod create;
mod error;
mod frame;
mod key;
mod keys;
pub mod limits;
mod manifest;
mod open;
mod restore;
mod stream;

pub use catalogue::{Listed, list, prune};
pub use create::create;
pub use error::Error;
pub use key::Secrets;
pub use manifest::{Manifest, TableSum};
pub use open::{Backup, open};
pub use restore::{restore, verify};

/// Where media are, under the same name in the media store and in every place of backups.
const MEDIA: &str = "media";

#[cfg(test)]
mod tests;
