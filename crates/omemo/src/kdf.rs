//! HKDF-SHA-256 (RFC 5869), HMAC-SHA-256 (RFC 2104) and the chains made of them (Double Ratchet, "KDF chains").

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::protocol::Profile;
use crate::secret::Secret;

/// The salt where a specification names none (RFC 5869 §2.2).
pub(crate) const NO_SALT: [u8; 32] = [0; 32];

/// `N` bytes of HKDF-SHA-256 output; `N` is at most 8160.
pub(crate) fn expand<const N: usize>(salt: &[u8], input: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut out = Zeroizing::new([0; N]);
    #[expect(clippy::expect_used, reason = "fails only for lengths that the line above refuses to compile")]
    Hkdf::<Sha256>::new(Some(salt), input).expand(info, out.as_mut_slice()).expect("a length that HKDF can give");
    out
}

/// HMAC-SHA-256 over the parts, one after the other.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key that HMAC takes");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// `KDF_RK`: the next root key and a chain key.
pub(crate) fn root_step(profile: &Profile, root: &Secret, agreed: &Secret) -> (Secret, Secret) {
    let out: Zeroizing<[u8; 64]> = expand(root.as_bytes(), agreed.as_bytes(), profile.root_label);
    halves(&out)
}

/// `KDF_CK`: the key of this message, and the next chain key.
pub(crate) fn chain_step(chain: &Secret) -> (Secret, Secret) {
    (Secret::new(hmac(chain.as_bytes(), &[&[1]])), Secret::new(hmac(chain.as_bytes(), &[&[2]])))
}

fn halves(bytes: &[u8; 64]) -> (Secret, Secret) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    for ((a, b), (from_a, from_b)) in first.iter_mut().zip(&mut second).zip(bytes.iter().zip(bytes.iter().skip(32))) {
        (*a, *b) = (*from_a, *from_b);
    }
    let secrets = (Secret::new(first), Secret::new(second));
    first.zeroize();
    second.zeroize();
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    #[test]
    fn hkdf_gives_what_rfc_5869_appendix_a_lists() {
        let out = expand::<42>(&hex("000102030405060708090a0b0c"), &[0x0b; 22], &hex("f0f1f2f3f4f5f6f7f8f9"));
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(out.to_vec(), hex(expected));

        let bytes = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
        let out = expand::<82>(&bytes(0x60, 0xaf), &bytes(0, 0x4f), &bytes(0xb0, 0xff));
        let expected = "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                        da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87";
        assert_eq!(out.to_vec(), hex(expected));

        let out = expand::<42>(&NO_SALT, &[0x0b; 22], b"");
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(out.to_vec(), hex(expected));
    }

    #[test]
    fn hmac_gives_what_rfc_4231_lists() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hmac(&key, &[b"Hi ", b"There"]).to_vec(), hex(expected));
    }
}
