//! X25519 (RFC 7748): key pairs, and the secret that two of them agree on.

use curve25519_dalek::montgomery::MontgomeryPoint;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::protocol::KeyForm;
use crate::secret::Secret;

/// What a tagged key begins with.
const TAG: u8 = 5;

/// A Curve25519 public key: the u-coordinate, little-endian (RFC 7748 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The u-coordinate as 32 bytes; any bytes are one.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The u-coordinate.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn encode(&self, form: KeyForm) -> Vec<u8> {
        let tag: &[u8] = match form {
            KeyForm::Tagged => &[TAG],
            KeyForm::Bare => &[],
        };
        [tag, &self.0].concat()
    }

    pub(crate) fn decode(form: KeyForm, bytes: &[u8]) -> Option<Self> {
        let bytes = match form {
            KeyForm::Tagged => bytes.strip_prefix(&[TAG])?,
            KeyForm::Bare => bytes,
        };
        Some(Self(bytes.try_into().ok()?))
    }
}

/// A Curve25519 key pair.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    private: Secret,
    public: PublicKey,
}

impl KeyPair {
    pub(crate) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self::from_private(Secret::random(rng))
    }

    pub(crate) fn from_private(private: Secret) -> Self {
        let public = PublicKey(MontgomeryPoint::mul_base_clamped(*private.as_bytes()).to_bytes());
        Self { private, public }
    }

    pub(crate) fn private(&self) -> &Secret {
        &self.private
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    /// `DH(self, other)`. Points of small order are refused (RFC 7748 §6.1): with them the secret is no secret.
    pub(crate) fn agree(&self, other: &PublicKey) -> Result<Secret, Error> {
        let agreed = MontgomeryPoint(other.0).mul_clamped(*self.private.as_bytes()).to_bytes();
        match bool::from(agreed.ct_eq(&[0; 32])) {
            true => Err(Error::WeakKey),
            false => Ok(Secret::new(agreed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    fn hex(text: &str) -> [u8; 32] {
        vectors::hex(text).try_into().unwrap()
    }

    const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    const BOB: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";

    #[test]
    fn both_sides_agree_as_rfc_7748_section_6_1_shows() {
        let (alice, bob) =
            (KeyPair::from_private(Secret::new(hex(ALICE))), KeyPair::from_private(Secret::new(hex(BOB))));
        let public = |text| PublicKey::new(hex(text));
        assert_eq!(alice.public(), public("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
        assert_eq!(bob.public(), public("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
        let expected = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(alice.agree(&bob.public()).unwrap().as_bytes(), &expected);
        assert_eq!(bob.agree(&alice.public()).unwrap().as_bytes(), &expected);
    }

    #[test]
    fn a_key_that_makes_every_secret_the_same_is_refused() {
        let alice = KeyPair::from_private(Secret::new(hex(ALICE)));
        let mut one = [0; 32];
        one[0] = 1;
        for weak in [[0; 32], one] {
            assert_eq!(alice.agree(&PublicKey::new(weak)).unwrap_err(), Error::WeakKey);
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let pair = KeyPair::from_private(Secret::new([7; 32]));
        assert!(!format!("{:?}", pair.private()).contains('7'));
    }
}
