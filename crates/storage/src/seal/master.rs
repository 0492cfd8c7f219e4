//! The operator's master keys: they wrap data keys and do nothing else.

use std::{fmt, sync::Arc};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use bytes::Bytes;

use super::data_key::{KEY_BYTES, NONCE_BYTES, aead, derive, random};
use crate::{Error, Value};

/// Says which master key wrapped a key, and tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; Fingerprint::BYTES]);

impl Fingerprint {
    const BYTES: usize = 8;

    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == Self::BYTES * 2 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| is_ours).map(|number| Self(number.to_be_bytes()))
    }

    /// The fingerprint that stands before a wrapped key.
    pub(crate) fn of_wrapped(wrapped: &[u8]) -> Option<Self> {
        wrapped.first_chunk().copied().map(Self)
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl From<Fingerprint> for Value {
    fn from(fingerprint: Fingerprint) -> Self {
        Self::Blob(Bytes::copy_from_slice(&fingerprint.0))
    }
}

/// Why no master keys could be made of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 64 hexadecimal digits; several stand one a line or with commas between them")]
pub struct MasterKeyRefused;

/// Master keys: the first one wraps, all of them unwrap.
#[derive(Clone)]
pub struct MasterKeys {
    /// At least one.
    keys: Vec<Arc<MasterKey>>,
    pub(super) plain: bool,
}

struct MasterKey {
    secret: [u8; KEY_BYTES],
    fingerprint: Fingerprint,
    wrapper: LessSafeKey,
}

impl MasterKey {
    fn new(secret: [u8; KEY_BYTES]) -> Result<Arc<Self>, Error> {
        let fingerprint = derive(&secret, "fingerprint")?.first_chunk().copied().unwrap_or_default();
        let wrapper = aead(&derive(&secret, "wrap")?)?;
        Ok(Arc::new(Self { secret, fingerprint: Fingerprint(fingerprint), wrapper }))
    }
}

impl MasterKeys {
    /// Keys that one source may hold.
    const KEYS_MAX: usize = 16;

    /// A single key.
    ///
    /// # Errors
    /// Only if the cryptographic library fails.
    pub fn one(secret: [u8; KEY_BYTES]) -> Result<Self, Error> {
        Ok(Self { keys: vec![MasterKey::new(secret)?], plain: false })
    }

    /// Reads keys, each of 64 hexadecimal digits, one a line or with commas between them.
    ///
    /// # Errors
    /// When there is none, or something else, or more than anybody rotates through.
    pub fn parse(text: &str) -> Result<Self, MasterKeyRefused> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let secrets: Vec<_> =
            words.take(Self::KEYS_MAX + 1).map(decode).collect::<Option<_>>().ok_or(MasterKeyRefused)?;
        if secrets.is_empty() || secrets.len() > Self::KEYS_MAX {
            return Err(MasterKeyRefused);
        }
        let keys = secrets.into_iter().map(MasterKey::new).collect::<Result<_, _>>().map_err(|_| MasterKeyRefused)?;
        Ok(Self { keys, plain: false })
    }

    /// A new key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        Self::one(random()?)
    }

    /// What [`parse`](Self::parse) reads, one key a line. It is a secret.
    pub fn expose(&self) -> String {
        let line = |key: &Arc<MasterKey>| {
            let digits = key.secret.iter().map(|byte| format!("{byte:02x}"));
            digits.chain([String::from("\n")]).collect()
        };
        self.keys.iter().map(line).collect::<Vec<String>>().concat()
    }

    /// These keys, with those of `first` before them.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let mut keys = first.keys.clone();
        let known = first.fingerprints();
        keys.extend(self.keys.iter().filter(|key| !known.contains(&key.fingerprint)).cloned());
        Self { keys, plain: self.plain }
    }

    /// Only the key that wraps.
    #[must_use]
    pub fn wrapping(&self) -> Self {
        Self { keys: self.keys.iter().take(1).cloned().collect(), plain: self.plain }
    }

    /// The fingerprints, that of the key that wraps first.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.keys.iter().map(|key| key.fingerprint).collect()
    }

    /// A key for one purpose from each of these keys, that of the key that wraps first (HKDF, RFC 5869).
    ///
    /// # Errors
    /// Only if the cryptographic library fails.
    pub fn derived(&self, purpose: &str) -> Result<Vec<[u8; KEY_BYTES]>, Error> {
        self.keys.iter().map(|key| derive(&key.secret, purpose)).collect()
    }

    /// Seals nothing: for the test that proves that looking for plaintext finds it.
    ///
    /// # Errors
    /// Only if the cryptographic library fails.
    #[cfg(feature = "unsealed-for-tests")]
    #[doc(hidden)]
    pub fn unsealed() -> Result<Self, Error> {
        Ok(Self { plain: true, ..Self::one([0; KEY_BYTES])? })
    }

    /// The fingerprint of the key that wraps.
    pub(super) fn fingerprint(&self) -> Result<Fingerprint, Error> {
        self.first().map(|key| key.fingerprint)
    }

    /// Wraps a data key for a purpose.
    pub(super) fn wrap(&self, data_key: &[u8; KEY_BYTES], purpose: &[u8]) -> Result<Bytes, Error> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let key = self.first()?;
        let mut ciphertext = data_key.to_vec();
        key.wrapper
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut ciphertext)
            .map_err(|_| Error::Io("a key could not be wrapped".into()))?;
        Ok([&key.fingerprint.0, nonce.as_slice(), &ciphertext].concat().into())
    }

    /// Unwraps a data key that was wrapped for this purpose; `None` when none of these keys wrapped it.
    pub(super) fn unwrap(&self, wrapped: &[u8], purpose: &[u8]) -> Result<Option<[u8; KEY_BYTES]>, Error> {
        let damaged = || Error::Corrupt("a wrapped key does not open: it was changed or moved".into());
        let (fingerprint, rest) = wrapped.split_first_chunk().ok_or_else(damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk().ok_or_else(damaged)?;
        let Some(key) = self.keys.iter().find(|key| key.fingerprint.0 == *fingerprint) else { return Ok(None) };
        let (nonce, mut opened) = (Nonce::assume_unique_for_key(*nonce), ciphertext.to_vec());
        let plain = key.wrapper.open_in_place(nonce, Aad::from(purpose), &mut opened).map_err(|_| damaged())?;
        plain.first_chunk().copied().map(Some).ok_or_else(damaged)
    }

    fn first(&self) -> Result<&MasterKey, Error> {
        self.keys.first().map(Arc::as_ref).ok_or_else(|| Error::Io("no master key".into()))
    }
}

/// How many keys, never a key.
impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({})", self.keys.len())
    }
}

fn decode(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut digits = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let mut key = [0; KEY_BYTES];
    for byte in &mut key {
        *byte = (digits.next()?? << 4) | digits.next()??;
    }
    digits.next().is_none().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(byte: u8) -> MasterKeys {
        MasterKeys::one([byte; KEY_BYTES]).unwrap()
    }

    #[test]
    fn a_key_is_unwrapped_by_whoever_has_the_key_that_wrapped_it() {
        let (old, new) = (one(1), one(2));
        let wrapped = old.wrap(&[7; 32], b"alice").unwrap();
        assert_eq!(wrapped.len(), 68);
        assert_eq!(old.unwrap(&wrapped, b"alice").unwrap(), Some([7; 32]));
        assert_eq!(old.after(&new).unwrap(&wrapped, b"alice").unwrap(), Some([7; 32]));
        assert_eq!(new.unwrap(&wrapped, b"alice").unwrap(), None);
        assert!(old.unwrap(&wrapped, b"bob").unwrap_err().is_corrupt());
        assert!(old.unwrap(b"short", b"alice").unwrap_err().is_corrupt());
        assert_eq!(Fingerprint::of_wrapped(&wrapped), old.fingerprints().first().copied());
    }

    #[test]
    fn keys_are_read_one_a_line_or_with_commas() {
        let keys = one(1).after(&one(0xab));
        let text = keys.expose();
        for text in [text.clone(), text.trim().replace('\n', ", "), text.to_uppercase()] {
            assert_eq!(MasterKeys::parse(&text).unwrap().expose(), keys.expose());
        }
        assert_eq!(keys.wrapping().expose(), one(0xab).expose());
        for bad in ["", "\n", "abcd", &"g".repeat(64), &"é".repeat(32), &"a".repeat(65), &format!("{text},x")] {
            assert_eq!(MasterKeys::parse(bad).err(), Some(MasterKeyRefused), "{bad}");
        }
        assert_eq!(format!("{keys:?}"), "MasterKeys(2)");
    }
}
