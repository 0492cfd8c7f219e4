//! The key of a backup: random, wrapped in its header by a key derived from the master key (HKDF, RFC 5869) or from a
//! passphrase (Argon2id, RFC 9106).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use storage::MasterKeys;

use super::{Error, limits};

pub(super) const KEY_BYTES: usize = 32;
/// What the master key's derived key is for.
const PURPOSE: &str = "backups";

/// What opens backups.
pub struct Secrets {
    /// The master keys at hand; the first one locks new backups.
    pub master_keys: Option<MasterKeys>,
    /// Locks new backups instead, and opens those that it locked.
    pub passphrase: Option<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    /// Whether the master key of this fingerprint is at hand.
    pub(super) fn has(&self, fingerprint: &str) -> bool {
        let known = self.master_keys.iter().flat_map(MasterKeys::fingerprints);
        known.into_iter().any(|known| known.to_string() == fingerprint)
    }

    pub(super) fn without_passphrase(&self) -> Self {
        Self { master_keys: self.master_keys.clone(), passphrase: None }
    }

    /// The keys that wrap, made from the master keys.
    fn wrapping(&self) -> Result<Vec<[u8; KEY_BYTES]>, Error> {
        let derived = self.master_keys.as_ref().map(|keys| keys.derived(PURPOSE));
        Ok(derived.transpose()?.unwrap_or_default())
    }
}

/// The key of one backup.
pub(super) struct BackupKey([u8; KEY_BYTES]);

/// `header`, in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// What the other objects look like.
    format: u32,
    lock: Lock,
    /// Nonce, wrapped key and tag, in base64.
    key: String,
}

/// What the key that wraps is made from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
enum Lock {
    MasterKey,
    Passphrase { salt: String, memory_kib: u32, passes: u32 },
}

/// 2: the accounts' keys are apart from the rows.
pub(super) const FORMAT: u32 = 2;

impl BackupKey {
    /// A new key, and the header of the backup `id` that it is for. Takes a moment with a passphrase.
    pub(super) fn create(id: &str, secrets: &Secrets) -> Result<(Self, Header), Error> {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).map_err(|_| Error::NoRandomness)?;
        let (lock, wrapping) = match &secrets.passphrase {
            None => {
                let first = secrets.wrapping()?.into_iter().next();
                (Lock::MasterKey, first.ok_or_else(|| Error::MasterKey(id.to_owned()))?)
            }
            Some(passphrase) => {
                let mut salt = [0; 16];
                rand::fill(&mut salt).map_err(|_| Error::NoRandomness)?;
                let (memory_kib, passes) = (limits::PASSPHRASE_MEMORY_KIB, limits::PASSPHRASE_PASSES);
                let wrapping = stretch(passphrase, &salt, memory_kib, passes).ok_or(Error::NoRandomness)?;
                (Lock::Passphrase { salt: STANDARD.encode(salt), memory_kib, passes }, wrapping)
            }
        };
        let wrapped = wrap(&wrapping, id, &key).ok_or(Error::NoRandomness)?;
        Ok((Self(key), Header { format: FORMAT, lock, key: STANDARD.encode(wrapped) }))
    }

    /// The key in a backup's header. Takes a moment with a passphrase.
    pub(super) fn unlock(id: &str, header: &Header, secrets: &Secrets) -> Result<Self, Error> {
        let damaged = || Error::Damaged { id: id.to_owned(), what: String::from("its header is not readable") };
        if header.format != FORMAT {
            let what = format!("its format {} is unknown to this program", header.format);
            return Err(Error::Damaged { id: id.to_owned(), what });
        }
        let wrapped = STANDARD.decode(&header.key).map_err(|_| damaged())?;
        match &header.lock {
            Lock::MasterKey => {
                let key = secrets.wrapping()?.into_iter().find_map(|wrapping| unwrap(&wrapping, id, &wrapped));
                key.map(Self).ok_or_else(|| Error::MasterKey(id.to_owned()))
            }
            Lock::Passphrase { salt, memory_kib, passes } => {
                let passphrase = secrets.passphrase.as_ref().ok_or_else(|| Error::PassphraseNeeded(id.to_owned()))?;
                let salt = STANDARD.decode(salt).map_err(|_| damaged())?;
                let wrapping = stretch(passphrase, &salt, *memory_kib, *passes).ok_or_else(damaged)?;
                unwrap(&wrapping, id, &wrapped).map(Self).ok_or_else(|| Error::Passphrase(id.to_owned()))
            }
        }
    }

    /// The key of one of its streams.
    pub(super) fn stream(&self, name: &str) -> Option<LessSafeKey> {
        let info = [name.as_bytes()];
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"whimbrel backup").extract(&self.0);
        let mut key = [0; KEY_BYTES];
        derived.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).ok()?;
        UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
    }
}

fn stretch(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Option<[u8; KEY_BYTES]> {
    if memory_kib > limits::PASSPHRASE_MEMORY_KIB_MAX || passes > limits::PASSPHRASE_PASSES_MAX {
        return None;
    }
    let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES)).ok()?;
    let mut key = [0; KEY_BYTES];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, &mut key).ok()?;
    Some(key)
}

pub(super) fn wrap(wrapping: &[u8; KEY_BYTES], id: &str, key: &[u8; KEY_BYTES]) -> Option<Vec<u8>> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, wrapping).ok()?);
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).ok()?;
    let mut sealed = key.to_vec();
    let aad = Aad::from(id.as_bytes());
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

pub(super) fn unwrap(wrapping: &[u8; KEY_BYTES], id: &str, wrapped: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, wrapping).ok()?);
    let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN)?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let key: &[u8] = cipher.open_in_place(nonce, Aad::from(id.as_bytes()), &mut sealed).ok()?;
    key.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterKeys {
        MasterKeys::generate().unwrap()
    }

    fn secrets(master_keys: Option<&MasterKeys>, passphrase: Option<&str>) -> Secrets {
        let master_keys = master_keys.cloned();
        Secrets { master_keys, passphrase: passphrase.map(str::to_owned) }
    }

    fn refusal(id: &str, header: &Header, secrets: &Secrets) -> Error {
        BackupKey::unlock(id, header, secrets).err().unwrap()
    }

    #[test]
    fn any_of_the_master_keys_opens_and_no_other() {
        let (old, new) = (master(), master());
        let (key, header) = BackupKey::create("one", &secrets(Some(&old), None)).unwrap();
        let header: Header = serde_json::from_str(&serde_json::to_string(&header).unwrap()).unwrap();
        let both = secrets(Some(&old.after(&new)), None);
        assert_eq!(BackupKey::unlock("one", &header, &both).unwrap().0, key.0);
        assert!(matches!(refusal("one", &header, &secrets(Some(&new), None)), Error::MasterKey(_)));
        assert!(matches!(refusal("two", &header, &both), Error::MasterKey(_)), "a header belongs to its backup");
    }

    #[test]
    fn a_passphrase_opens_what_it_locked() {
        let locked = secrets(Some(&master()), Some("correct horse"));
        let (key, header) = BackupKey::create("one", &locked).unwrap();
        assert_eq!(BackupKey::unlock("one", &header, &locked).unwrap().0, key.0);
        let without = secrets(locked.master_keys.as_ref(), None);
        assert!(matches!(refusal("one", &header, &without), Error::PassphraseNeeded(_)));
        assert!(matches!(refusal("one", &header, &secrets(None, Some("wrong"))), Error::Passphrase(_)));
    }

    #[test]
    fn a_header_cannot_ask_for_endless_work() {
        let lock = Lock::Passphrase { salt: STANDARD.encode([0; 16]), memory_kib: u32::MAX, passes: 3 };
        let header = Header { format: FORMAT, lock, key: STANDARD.encode([0; 60]) };
        assert!(matches!(refusal("one", &header, &secrets(None, Some("any"))), Error::Damaged { .. }));
    }
}
