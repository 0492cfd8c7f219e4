//! The hash functions of the SCRAM family and what SCRAM builds from them (RFC 5802 §2.2).
//!
//! Two implementations of the same few functions: `native` and, where that does not build (wasm32),
//! `portable`. The tests hold them equal.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
use native as implementation;

#[cfg(any(test, target_arch = "wasm32"))]
mod portable;
#[cfg(target_arch = "wasm32")]
use portable as implementation;

use std::num::NonZeroU32;

/// A hash function that SCRAM runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1, for SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SHA-256, for SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

impl Hash {
    /// Length of the output in bytes.
    pub const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// `H(message)`.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        implementation::digest(self, message)
    }

    /// `HMAC(key, message)`.
    pub fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        implementation::hmac(self, key, message)
    }

    /// `Hi(password, salt, iterations)`: PBKDF2 with one block of output. Slow on purpose.
    pub fn stretch(self, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        implementation::stretch(self, password, salt, iterations)
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths only.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    implementation::equal(left, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn both_implementations_agree(
            key in proptest::collection::vec(any::<u8>(), 0..200),
            message in proptest::collection::vec(any::<u8>(), 0..200),
            iterations in 1u32..50,
        ) {
            let iterations = NonZeroU32::new(iterations).unwrap();
            for hash in [Hash::Sha1, Hash::Sha256] {
                prop_assert_eq!(native::digest(hash, &message), portable::digest(hash, &message));
                prop_assert_eq!(native::hmac(hash, &key, &message), portable::hmac(hash, &key, &message));
                prop_assert_eq!(
                    native::stretch(hash, &key, &message, iterations),
                    portable::stretch(hash, &key, &message, iterations)
                );
            }
            prop_assert_eq!(native::equal(&key, &message), portable::equal(&key, &message));
            prop_assert!(native::equal(&key, &key) && portable::equal(&key, &key));
        }
    }
}
