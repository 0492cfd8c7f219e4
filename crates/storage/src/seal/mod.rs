//! Sealed at rest: what is private stands in the database only encrypted.
//!
//! ```text
//! master key (the operator's)  wraps  the deployment's key   seals and hashes localparts
//!                              wraps  each account's key     seals and hashes what it owns
//! ```
//!
//! AES-256-GCM-SIV (RFC 8452) with random nonces seals; whoever moves a sealed
//! value to another row or table finds that it does not open. HMAC-SHA-256, cut to
//! 16 bytes, hashes what rows are looked up by. A new master key wraps the keys
//! again and touches nothing else ([`rotate()`]); an account whose key is gone is
//! noise.

mod data_key;
mod fields;
mod keyring;
mod master;
pub(crate) mod migrate;
mod rotate;

pub use master::{Fingerprint, MasterKeyRefused, MasterKeys};
pub use rotate::{Rotated, rotate};

pub(crate) use data_key::{DataKey, Hash, Kind, Place, Table, random};
pub(crate) use fields::{Fields, Opened};
pub use keyring::Reread;
pub(crate) use keyring::{DeploymentKey, Keyring, create_deployment_key, unknown};
