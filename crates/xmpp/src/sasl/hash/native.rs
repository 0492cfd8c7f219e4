//! The hash functions by `aws-lc-rs`.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest as sha, hmac as mac, pbkdf2};

use super::Hash;

pub(super) fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => &sha::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &sha::SHA256,
    };
    sha::digest(algorithm, message).as_ref().to_vec()
}

pub(super) fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => mac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => mac::HMAC_SHA256,
    };
    mac::sign(&mac::Key::new(algorithm, key), message).as_ref().to_vec()
}

pub(super) fn stretch(hash: Hash, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
    };
    let mut output = vec![0; hash.output_bytes()];
    pbkdf2::derive(algorithm, iterations, salt, password, &mut output);
    output
}

pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}
