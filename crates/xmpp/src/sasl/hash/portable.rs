//! The hash functions in plain Rust, for targets that the native library does not know.

use std::num::NonZeroU32;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Hash;

pub(super) fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => Sha1::digest(message).to_vec(),
        Hash::Sha256 => Sha256::digest(message).to_vec(),
    }
}

pub(super) fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => tag(keyed::<Hmac<Sha1>>(key), &[message]),
        Hash::Sha256 => tag(keyed::<Hmac<Sha256>>(key), &[message]),
    }
}

pub(super) fn stretch(hash: Hash, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    match hash {
        Hash::Sha1 => pbkdf2_block(keyed::<Hmac<Sha1>>(password), salt, iterations),
        Hash::Sha256 => pbkdf2_block(keyed::<Hmac<Sha256>>(password), salt, iterations),
    }
}

pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104 §2)")]
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("any length will do")
}

fn tag<M: Mac>(mut mac: M, parts: &[&[u8]]) -> Vec<u8> {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The first block of PBKDF2 (RFC 8018 §5.2), which is all that SCRAM uses.
fn pbkdf2_block<M: Mac + Clone>(keyed: M, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let mut step = tag(keyed.clone(), &[salt, &1u32.to_be_bytes()]);
    let mut output = step.clone();
    for _ in 1..iterations.get() {
        step = tag(keyed.clone(), &[&step]);
        for (sum, byte) in output.iter_mut().zip(&step) {
            *sum ^= byte;
        }
    }
    output
}
