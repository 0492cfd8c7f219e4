//! Objects by name: a folder of this machine, or what speaks S3 (Garage, or any other store of that kind).
//!
//! A [`Store`] holds backups and media. Objects are written once under names that nobody guesses: Garage ignores
//! conditional puts, so what must be unique is kept unique elsewhere.

mod error;
mod folder;
pub mod limits;
mod name;
mod s3;
mod store;

pub use error::Error;
pub use name::{Name, ParseNameError};
pub use store::{Credentials, Names, Reader, Store, Stored, Writer};
