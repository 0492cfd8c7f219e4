//! XEdDSA (the Signal specification "The XEdDSA and VXEdDSA Signature Schemes", §2 and §4): signatures with a
//! Curve25519 key that any Ed25519 implementation verifies (RFC 8032 §5.1).

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::curve::{KeyPair, PublicKey};

/// A signature: R and s.
pub(crate) type Signature = [u8; 64];

/// What `hash_1` hashes first: 2^256 - 2, little-endian, so that it is no encoding of anything else.
const HASH_1: [u8; 32] = {
    let mut prefix = [0xff; 32];
    prefix[0] = 0xfe;
    prefix
};

/// Signs. The Edwards form of the key has the sign 0, so bit 7 of the last byte is 0 as well.
pub(crate) fn sign<R: CryptoRng + ?Sized>(key: &KeyPair, message: &[u8], rng: &mut R) -> Signature {
    let mut a = Scalar::from_bytes_mod_order(clamp_integer(*key.private().as_bytes()));
    let mut edwards = EdwardsPoint::mul_base(&a).compress().to_bytes();
    if sign_of(&edwards) == 1 {
        a = -a;
        set_sign(&mut edwards, 0);
    }
    let mut z = Zeroizing::new([0; 64]);
    rng.fill_bytes(z.as_mut_slice());
    let mut secret = a.to_bytes();
    let mut r = reduced(&[&HASH_1, &secret, message, z.as_slice()]);
    let commitment = EdwardsPoint::mul_base(&r).compress().to_bytes();
    let s = (r + reduced(&[&commitment, &edwards, message]) * a).to_bytes();
    secret.zeroize();
    a.zeroize();
    r.zeroize();
    joined(&commitment, &s)
}

/// Verifies a signature of the key in its Ed25519 form. Keys of small order and values of s beyond the group's order
/// are refused.
pub(crate) fn verify(edwards: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    let Some(point) = CompressedEdwardsY(*edwards).decompress() else { return false };
    let Some((commitment, s)) = halves(signature) else { return false };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
    if point.is_small_order() {
        return false;
    }
    let h = reduced(&[&commitment, edwards, message]);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-h, &point, &s);
    expected.compress().to_bytes() == commitment
}

/// Verifies a signature whose highest bit carries the sign of the key's Edwards form, as clients of the older
/// namespace make them.
pub(crate) fn verify_signed_sign(public: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let mut signature = *signature;
    let Some(last) = signature.last_mut() else { return false };
    let sign = *last >> 7;
    *last &= 0x7f;
    to_edwards(public, sign).is_some_and(|edwards| verify(&edwards, message, &signature))
}

/// The birational map to Ed25519 (RFC 7748 §4.1); `None` for what is on the curve's twist.
pub(crate) fn to_edwards(public: &PublicKey, sign: u8) -> Option<[u8; 32]> {
    Some(MontgomeryPoint(*public.as_bytes()).to_edwards(sign)?.compress().to_bytes())
}

/// The map back; `None` for what is no point, or not its usual encoding.
pub(crate) fn to_montgomery(edwards: &[u8; 32]) -> Option<PublicKey> {
    let point = CompressedEdwardsY(*edwards).decompress()?;
    (point.compress().to_bytes() == *edwards).then(|| PublicKey::new(point.to_montgomery().to_bytes()))
}

/// The highest bit of an Edwards point's encoding.
pub(crate) fn sign_of(edwards: &[u8; 32]) -> u8 {
    let [.., last] = edwards;
    last >> 7
}

fn set_sign(edwards: &mut [u8; 32], sign: u8) {
    let [.., last] = edwards;
    *last = (*last & 0x7f) | (sign << 7);
}

fn reduced(parts: &[&[u8]]) -> Scalar {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut wide: [u8; 64] = hash.finalize().into();
    let scalar = Scalar::from_bytes_mod_order_wide(&wide);
    wide.zeroize();
    scalar
}

fn joined(commitment: &[u8; 32], s: &[u8; 32]) -> Signature {
    let mut signature = [0; 64];
    signature.iter_mut().zip(commitment.iter().chain(s)).for_each(|(to, from)| *to = *from);
    signature
}

fn halves(signature: &Signature) -> Option<([u8; 32], [u8; 32])> {
    let (commitment, s) = signature.split_first_chunk()?;
    Some((*commitment, s.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature as EdSignature, Signer, SigningKey, VerifyingKey};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::vectors::hex;

    #[test]
    fn the_signatures_of_rfc_8032_section_7_1_verify() {
        let vectors = [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd2\
                 5bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c38\
                 7b2eaeb4302aeeb00d291612bb0c00",
            ),
        ];
        for (key, message, signature) in vectors {
            let (key, signature) = (hex(key).try_into().unwrap(), hex(signature).try_into().unwrap());
            assert!(verify(&key, &hex(message), &signature));
            assert!(!verify(&key, b"something else", &signature));
        }
    }

    #[test]
    fn what_is_signed_here_verifies_here_and_by_ed25519() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..50 {
            let pair = KeyPair::random(&mut rng);
            let signature = sign(&pair, b"message", &mut rng);
            let edwards = to_edwards(&pair.public(), 0).unwrap();
            assert!(verify(&edwards, b"message", &signature));
            assert!(verify_signed_sign(&pair.public(), b"message", &signature));
            let key = VerifyingKey::from_bytes(&edwards).unwrap();
            key.verify_strict(b"message", &EdSignature::from_bytes(&signature)).unwrap();
            let other = KeyPair::random(&mut rng).public();
            assert!(!verify_signed_sign(&other, b"message", &signature));
        }
    }

    #[test]
    fn what_ed25519_signs_verifies_with_the_sign_beside_the_key_or_in_the_signature() {
        for seed in 0..50 {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let edwards = key.verifying_key().to_bytes();
            let mut signature = key.sign(b"message").to_bytes();
            assert!(verify(&edwards, b"message", &signature));
            signature[63] |= sign_of(&edwards) << 7;
            assert!(verify_signed_sign(&to_montgomery(&edwards).unwrap(), b"message", &signature));
        }
    }

    #[test]
    fn a_changed_signature_or_message_or_a_weak_key_does_not_verify() {
        let mut rng = StdRng::seed_from_u64(2);
        let pair = KeyPair::random(&mut rng);
        let good = sign(&pair, b"message", &mut rng);
        let edwards = to_edwards(&pair.public(), 0).unwrap();
        for bit in 0..512 {
            let mut changed = good;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&edwards, b"message", &changed), "bit {bit}");
        }
        // The neutral element verifies R = B, s = 1 for every message where nobody looks.
        let mut one = [0; 32];
        one[0] = 1;
        let base = EdwardsPoint::mul_base(&Scalar::ONE).compress().to_bytes();
        assert!(!verify(&one, b"message", &joined(&base, &Scalar::ONE.to_bytes())));
    }
}
