//! Identity keys: who a device is. XEP-0384 "Key Exchange" for their forms, "Security Considerations" for fingerprints.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;

use crate::curve::{KeyPair, PublicKey};
use crate::error::Error;
use crate::protocol::{KeyForm, Protocol};
use crate::secret::Secret;
use crate::xeddsa::{self, Signature};

/// The public half of a device's identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityKey {
    public: PublicKey,
    /// Sign of the Ed25519 form; always 0 for keys that came in their Curve25519 form.
    sign: u8,
}

impl IdentityKey {
    /// Reads what stands in a bundle or a key exchange.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the bytes are no key of this namespace.
    pub fn decode(protocol: Protocol, bytes: &[u8]) -> Result<Self, Error> {
        let malformed = Error::Malformed("identity key");
        match protocol.profile().key_form {
            form @ KeyForm::Tagged => Ok(Self { public: PublicKey::decode(form, bytes).ok_or(malformed)?, sign: 0 }),
            KeyForm::Bare => {
                let edwards: [u8; 32] = bytes.try_into().map_err(|_| malformed)?;
                let public = xeddsa::to_montgomery(&edwards).ok_or(malformed)?;
                Ok(Self { public, sign: xeddsa::sign_of(&edwards) })
            }
        }
    }

    /// The key as it stands in a bundle.
    ///
    /// # Errors
    /// [`Error::WeakKey`] when the key came in its Curve25519 form and has no Ed25519 form.
    pub fn encode(&self, protocol: Protocol) -> Result<Vec<u8>, Error> {
        match protocol.profile().key_form {
            form @ KeyForm::Tagged => Ok(self.public.encode(form)),
            KeyForm::Bare => Ok(xeddsa::to_edwards(&self.public, self.sign).ok_or(Error::WeakKey)?.to_vec()),
        }
    }

    /// What people compare. It is the same in both namespaces, so keys are compared across them by it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(*self.public.as_bytes())
    }

    /// Whether this key signed the message; used for signed prekeys and the labels of devices.
    ///
    /// # Errors
    /// [`Error::BadSignature`] when it did not.
    pub fn verify(&self, protocol: Protocol, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let signature: &Signature = signature.try_into().map_err(|_| Error::BadSignature)?;
        let good = match protocol.profile().key_form {
            KeyForm::Tagged => xeddsa::verify_signed_sign(&self.public, message, signature),
            KeyForm::Bare => xeddsa::to_edwards(&self.public, self.sign)
                .is_some_and(|edwards| xeddsa::verify(&edwards, message, signature)),
        };
        if good { Ok(()) } else { Err(Error::BadSignature) }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self) -> u8 {
        self.sign
    }

    /// From what a saved state holds.
    pub(crate) fn from_parts(public: PublicKey, sign: u8) -> Option<Self> {
        (sign <= 1).then_some(Self { public, sign })
    }
}

/// A device's own identity: the key pair that it has for life. One serves both namespaces.
#[derive(Clone, Debug)]
pub struct Identity {
    pair: KeyPair,
}

impl Identity {
    /// A new identity.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { pair: KeyPair::random(rng) }
    }

    /// The public half.
    pub fn key(&self) -> IdentityKey {
        IdentityKey { public: self.pair.public(), sign: 0 }
    }

    /// Signs, for instance the label of a device (XEP-0384 "Device list"), so that [`IdentityKey::verify`] holds in
    /// both namespaces.
    pub fn sign<R: CryptoRng + ?Sized>(&self, message: &[u8], rng: &mut R) -> [u8; 64] {
        xeddsa::sign(&self.pair, message, rng)
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    pub(crate) fn from_private(private: Secret) -> Self {
        Self { pair: KeyPair::from_private(private) }
    }
}

/// What people compare to know that a key is a device's: the Curve25519 form of its identity key.
/// Shown as 8 groups of 8 lowercase hexadecimal digits; read with or without spaces, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The 32 bytes, as `omemo-sid-…` parameters of an `xmpp:` address carry them in hexadecimal.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits, for QR codes and addresses.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let space = if index > 0 && index % 4 == 0 { " " } else { "" };
            write!(f, "{space}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed("fingerprint");
        let mut digits = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16));
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            let mut next = || digits.next().flatten().and_then(|digit| u8::try_from(digit).ok()).ok_or(malformed);
            *byte = next()? << 4 | next()?;
        }
        if digits.next().is_some() { Err(malformed) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_in_both_namespaces() {
        let key = Identity::random(&mut StdRng::seed_from_u64(1)).key();
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            let read = IdentityKey::decode(protocol, &key.encode(protocol).unwrap()).unwrap();
            assert_eq!(read, key);
            assert_eq!(read.fingerprint(), key.fingerprint());
        }
    }

    #[test]
    fn a_fingerprint_reads_as_eight_groups_of_eight_digits_and_back() {
        let fingerprint = Fingerprint([0xab; 32]);
        let text = fingerprint.to_string();
        assert_eq!(text, ["abababab"; 8].join(" "));
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_hex().to_uppercase().parse(), Ok(fingerprint));
        for bad in ["", "ab", text.split_at(70).0, &format!("{text}a"), &text.replace('a', "ä")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(Error::Malformed("fingerprint")));
        }
    }

    #[test]
    fn labels_are_signed_for_both_namespaces() {
        let mut rng = StdRng::seed_from_u64(2);
        let identity = Identity::random(&mut rng);
        let signature = identity.sign("Ana’s tablet".as_bytes(), &mut rng);
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            assert_eq!(identity.key().verify(protocol, "Ana’s tablet".as_bytes(), &signature), Ok(()));
            assert_eq!(identity.key().verify(protocol, b"Mallory", &signature), Err(Error::BadSignature));
            assert_eq!(identity.key().verify(protocol, b"Mallory", &signature[1..]), Err(Error::BadSignature));
        }
    }

    #[test]
    fn keys_of_the_wrong_size_or_off_the_curve_are_refused() {
        let malformed = Err(Error::Malformed("identity key"));
        assert_eq!(IdentityKey::decode(Protocol::Axolotl, &[5; 32]), malformed);
        assert_eq!(IdentityKey::decode(Protocol::Axolotl, &[6; 33]), malformed);
        assert_eq!(IdentityKey::decode(Protocol::Omemo2, &[5; 33]), malformed);
        assert_eq!(IdentityKey::decode(Protocol::Omemo2, &[2; 32]), malformed);
        assert_eq!(IdentityKey::decode(Protocol::Omemo2, &[0xff; 32]), malformed);
    }
}
