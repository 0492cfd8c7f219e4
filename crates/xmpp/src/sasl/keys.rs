//! What a server keeps instead of a password (RFC 5802 §3), and what it shows for accounts it lacks.

use std::fmt;
use std::num::NonZeroU32;

use jid::BareJid;

use super::hash::{self, Hash};
use super::limits::{PASSWORD_BYTES_MAX, SALT_BYTES};

/// A password in its SASLprep form (RFC 4013). It never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing is left once it was prepared.
    #[error("the password is empty")]
    Empty,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// Control characters, mixed writing directions, or characters newer than Unicode 3.2.
    #[error("the password has a character that SASLprep (RFC 4013) does not allow")]
    Prohibited,
}

impl Password {
    /// Prepares a text that a person typed.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub fn prepare(text: &str) -> Result<Self, PasswordError> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let prepared = stringprep::saslprep(text).map_err(|_| PasswordError::Prohibited)?;
        if prepared.is_empty() {
            return Err(PasswordError::Empty);
        }
        if prepared.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(prepared.into_owned()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A server's record of a password for one hash. It cannot be used to log in elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The hash that all keys were made with.
    pub hash: Hash,
    /// Random bytes, new with every password; see [`SALT_BYTES`].
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: NonZeroU32,
    /// `H(ClientKey)`, as long as the hash's output: recognises the client.
    pub stored_key: Vec<u8>,
    /// As long as the hash's output: proves the server to the client.
    pub server_key: Vec<u8>,
}

impl ScramKeys {
    /// Derives the keys of a password. Takes milliseconds: keep it off the reactor's threads.
    pub fn derive(hash: Hash, password: &Password, salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = hash.stretch(password.as_bytes(), salt, iterations);
        Self {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.digest(&hash.hmac(&salted, b"Client Key")),
            server_key: hash.hmac(&salted, b"Server Key"),
        }
    }

    /// Whether these are the keys of `password` (for PLAIN). Takes as long as [`ScramKeys::derive`].
    pub fn matches(&self, password: &Password) -> bool {
        let derived = Self::derive(self.hash, password, &self.salt, self.iterations);
        hash::equal(&derived.stored_key, &self.stored_key)
    }

    /// Keys for an account that does not exist: stable for each name, and no password opens them, because
    /// the stored key is not the hash of anything known.
    ///
    /// `server_secret` is a lasting secret of the deployment, at least 16 random bytes; with it changed, the
    /// made-up salts would change too and give themselves away. `iterations` is what real accounts have.
    pub fn fake(server_secret: &[u8], account: &BareJid, hash: Hash, iterations: NonZeroU32) -> Self {
        let made_up = |purpose: &str| {
            // The purpose ends in NUL, which no JID contains: no two inputs meet.
            Hash::Sha256.hmac(server_secret, format!("{purpose}\0{account}").as_bytes())
        };
        let per_hash = |sha1, sha256| match hash {
            Hash::Sha1 => made_up(sha1),
            Hash::Sha256 => made_up(sha256),
        };
        let cut = |mut bytes: Vec<u8>, length| {
            bytes.truncate(length);
            bytes
        };
        Self {
            hash,
            salt: cut(per_hash("salt sha-1", "salt sha-256"), SALT_BYTES),
            iterations,
            stored_key: cut(per_hash("stored sha-1", "stored sha-256"), hash.output_bytes()),
            server_key: cut(per_hash("server sha-1", "server sha-256"), hash.output_bytes()),
        }
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
