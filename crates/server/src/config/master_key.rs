//! The operator's master key: 32 random bytes that every other key of the server is derived from.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf;

/// The master key. It is never printed, logged or written anywhere but to its file.
#[derive(Clone)]
pub struct MasterKey([u8; MasterKey::BYTES]);

/// Why the master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read.
    #[error("cannot read the master key {}: {source}; restore it from your backup, or write a new one with `whimbreld init` for an empty server", path.display())]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a master key: it must hold 64 hexadecimal digits", path.display())]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the master key {}: {source}", path.display())]
    Unwritable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl MasterKey {
    /// Length of the key in bytes.
    pub const BYTES: usize = 32;

    /// Reads the key from its file: 64 hexadecimal digits, white space around them ignored.
    ///
    /// # Errors
    /// [`MasterKeyError`] when the file cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let text =
            fs::read_to_string(path).map_err(|source| MasterKeyError::Unreadable { path: path.to_owned(), source })?;
        decode(text.trim()).map(Self).ok_or_else(|| MasterKeyError::Malformed { path: path.to_owned() })
    }

    /// Writes a new random key to a file that does not exist yet, readable by its owner only.
    ///
    /// # Errors
    /// [`MasterKeyError`] when the file exists or cannot be written.
    pub fn create(path: &Path) -> Result<Self, MasterKeyError> {
        let unwritable = |source| MasterKeyError::Unwritable { path: path.to_owned(), source };
        let mut key = [0; Self::BYTES];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| MasterKeyError::NoRandomness)?;
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        file.write_all(text.as_bytes()).map_err(unwritable)?;
        file.write_all(b"\n").map_err(unwritable)?;
        file.sync_all().map_err(unwritable)?;
        Ok(Self(key))
    }

    /// Whether others than the owner may read the key file.
    ///
    /// # Errors
    /// What the operating system said when the file cannot be looked at.
    pub fn is_exposed(path: &Path) -> std::io::Result<bool> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
    }

    /// A key for one purpose, by HKDF-SHA-256 (RFC 5869): the same purpose always gives the same
    /// key, and no derived key tells anything about another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let info = [purpose.as_bytes()];
        let mut derived = [0; 32];
        let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, b"whimbrel master key")
            .extract(&self.0)
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut derived));
        debug_assert!(filled.is_ok(), "32 bytes are always within what HKDF can give");
        derived
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn decode(text: &str) -> Option<[u8; MasterKey::BYTES]> {
    if text.len() != MasterKey::BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; MasterKey::BYTES];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_private_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = MasterKey::create(&path).unwrap();
        let read = MasterKey::read(&path).unwrap();
        assert_eq!(made.0, read.0);
        assert!(!MasterKey::is_exposed(&path).unwrap());
        assert!(MasterKey::create(&path).is_err(), "an existing key is never overwritten");
    }

    #[test]
    fn purposes_get_keys_of_their_own() {
        let key = MasterKey([7; 32]);
        assert_eq!(key.derive("scram"), key.derive("scram"));
        assert_ne!(key.derive("scram"), key.derive("profiles"));
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        for bad in ["", "abcd", &"g".repeat(64), &"é".repeat(32)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(MasterKey::read(&path), Err(MasterKeyError::Malformed { .. })), "{bad}");
        }
    }
}
