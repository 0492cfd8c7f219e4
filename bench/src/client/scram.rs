//! SCRAM-SHA-1 (RFC 5802), the one mechanism that all compared servers offer, without channel binding.
//!
//! `xmpp::sasl::scram_client` hashes the password at each log-in, as somebody at a keyboard does. A device keeps the
//! keys (RFC 5802 §5.1 allows it), and a load generator must: else it would measure its own hashing.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use xmpp::sasl::{Hash, payload};

const HASH: Hash = Hash::Sha1;

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-1";

/// What an account's password became under the server's salt.
#[derive(Debug, Default)]
pub struct KeptKeys(Mutex<Option<Keys>>);

#[derive(Clone, Debug)]
struct Keys {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    client_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// An exchange that has begun.
pub struct Exchange {
    first_bare: String,
}

impl Exchange {
    /// The exchange and its first message.
    pub fn begin(localpart: &str) -> (Self, Vec<u8>) {
        static NONCES: AtomicU64 = AtomicU64::new(0);
        // Nobody listens on loopback: a nonce that is new is enough.
        let nonce = NONCES.fetch_add(1, Ordering::Relaxed);
        let first_bare = format!("n={localpart},r=bench{nonce:016x}{}", std::process::id());
        let first = format!("n,,{first_bare}").into_bytes();
        (Self { first_bare }, first)
    }

    /// The proof, and the signature that the server must answer with.
    pub fn respond(&self, challenge: &[u8], password: &str, kept: &KeptKeys) -> Result<(Vec<u8>, Vec<u8>)> {
        let challenge = std::str::from_utf8(challenge)?;
        let attribute =
            |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).context("a short challenge");
        let nonce = attribute("r=")?;
        let keys = kept.keys(&payload::decode(attribute("s=")?)?, attribute("i=")?.parse()?, password);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let signature = HASH.hmac(&HASH.digest(&keys.client_key), signed.as_bytes());
        let proof: Vec<u8> = keys.client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let message = format!("{without_proof},p={}", payload::encode(&proof));
        Ok((message.into_bytes(), HASH.hmac(&keys.server_key, signed.as_bytes())))
    }
}

/// Checks the server's own proof.
pub fn check(last: &[u8], signature: &[u8]) -> Result<()> {
    let last = std::str::from_utf8(last)?;
    let proof = last.strip_prefix("v=").context("the server proves nothing")?;
    if payload::decode(proof)? == signature { Ok(()) } else { bail!("the server's proof is wrong") }
}

impl KeptKeys {
    fn keys(&self, salt: &[u8], iterations: NonZeroU32, password: &str) -> Keys {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(keys) = kept.filter(|keys| keys.salt == salt && keys.iterations == iterations) {
            return keys;
        }
        let salted = HASH.stretch(password.as_bytes(), salt, iterations);
        let keys = Keys {
            salt: salt.to_vec(),
            iterations,
            client_key: HASH.hmac(&salted, b"Client Key"),
            server_key: HASH.hmac(&salted, b"Server Key"),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys.clone());
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_5802_comes_out() {
        let exchange = Exchange { first_bare: String::from("n=user,r=fyko+d2lbbFgONRv9qkxdawL") };
        let challenge = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let (answer, signature) = exchange.respond(challenge, "pencil", &KeptKeys::default()).unwrap();
        assert!(answer.ends_with(b",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="));
        check(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", &signature).unwrap();
    }
}
