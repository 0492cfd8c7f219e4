//! What verifies a password, between the two crates that know it: `storage` keeps it, `xmpp` logs in with it
//! (RFC 5802 §3).

use std::num::NonZeroU32;

use bytes::Bytes;
use storage::accounts::{self, Credentials};
use xmpp::sasl::{Hash, ScramKeys};

/// The keys of a hash, if the account has any.
pub(crate) fn keys_of(credentials: &Credentials, hash: Hash) -> Option<ScramKeys> {
    let keys = match hash {
        Hash::Sha1 => &credentials.sha1,
        Hash::Sha256 => &credentials.sha256,
    };
    Some(ScramKeys {
        hash,
        salt: keys.salt.to_vec(),
        iterations: NonZeroU32::new(keys.iterations)?,
        stored_key: keys.stored_key.to_vec(),
        server_key: keys.server_key.to_vec(),
    })
}

/// Keys as they are kept.
pub(crate) fn kept(keys: ScramKeys) -> accounts::ScramKeys {
    accounts::ScramKeys {
        salt: keys.salt.into(),
        iterations: keys.iterations.get(),
        stored_key: keys.stored_key.into(),
        server_key: keys.server_key.into(),
    }
}

/// Keys that no password opens.
pub(crate) fn no_keys() -> accounts::ScramKeys {
    accounts::ScramKeys { salt: Bytes::new(), iterations: 0, stored_key: Bytes::new(), server_key: Bytes::new() }
}
