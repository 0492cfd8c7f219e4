//! A data key: seals values (RFC 8452) and hashes what they are looked up by.

use std::cell::RefCell;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf, hmac, rand,
};
use bytes::{Bytes, BytesMut};

use super::{Fields, Opened};
use crate::{AccountId, Error, Row, Value};

/// Bytes of every key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes before a sealed value.
pub(super) const NONCE_BYTES: usize = 12;
/// Bytes after it.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a hash by which rows are looked up.
pub(super) const HASH_BYTES: usize = 16;

/// Where a sealed value stands. The numbers are in every sealed value: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// A localpart, sealed with the deployment's key.
    Localpart = 1,
    Credentials = 2,
    LastStatus = 3,
    Roster = 4,
    RosterRemovals = 5,
    /// The archive and what is transient: an id is in one of them.
    Mailbox = 6,
    ArchivePrefs = 7,
    Blocklist = 8,
    PrivateXml = 9,
    Vcards = 10,
    Devices = 11,
    PubsubNodes = 12,
    PubsubItems = 13,
    Uploads = 20,
    Media = 21,
    ApiTokens = 40,
    Invites = 41,
    AuditLog = 42,
}

/// What a hash is made of. The numbers are in every hash: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Localpart = 1,
    Jid = 2,
    /// A namespace and a name, with a zero byte between them.
    ElementName = 3,
    PubsubNode = 4,
    /// A node's name and an item's id, with a zero byte between them.
    PubsubItem = 5,
    /// The random part of an upload's URL.
    Upload = 20,
    /// Of nothing: a key that belongs to the account.
    FingerprintKey = 21,
    /// What was made of a file's content with that key.
    Fingerprint = 22,
    TokenName = 40,
    TokenSecret = 41,
    InviteToken = 42,
}

/// A keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) [u8; HASH_BYTES]);

impl Hash {
    /// The next column, a hash.
    pub(crate) fn read(row: &mut Row) -> Result<Self, Error> {
        Self::from_bytes(&row.blob()?)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        bytes.try_into().map(Self).map_err(|_| Error::Corrupt("a hash has another length".into()))
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        Self::Blob(Bytes::copy_from_slice(&hash.0))
    }
}

/// The place a sealed value is bound to: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place([u8; 1 + 8 + HASH_BYTES]);

impl Place {
    /// The row with this hash.
    pub(crate) fn hashed(table: Table, owner: AccountId, hash: Hash) -> Self {
        Self::new(table, owner, hash.0)
    }

    /// The row with this number.
    pub(crate) fn numbered(table: Table, owner: AccountId, id: i64) -> Self {
        let mut row = [0; HASH_BYTES];
        row.iter_mut().zip(id.to_be_bytes()).for_each(|(to, from)| *to = from);
        Self::new(table, owner, row)
    }

    /// The owner's only row.
    pub(crate) fn only(table: Table, owner: AccountId) -> Self {
        Self::new(table, owner, [0; HASH_BYTES])
    }

    /// A row that is sealed before its owner has a number: its key alone says whose it is.
    pub(crate) fn unnumbered(table: Table, hash: Hash) -> Self {
        Self::new(table, AccountId(0), hash.0)
    }

    fn new(table: Table, owner: AccountId, row: [u8; HASH_BYTES]) -> Self {
        let mut bytes = [0; 1 + 8 + HASH_BYTES];
        let parts = [table as u8].into_iter().chain(owner.0.to_be_bytes()).chain(row);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

/// The key of an account or of the deployment, ready for use.
pub(crate) struct DataKey {
    cipher: Cipher,
    hash: hmac::Key,
}

enum Cipher {
    Sealing(LessSafeKey),
    /// Only what a test may ask for.
    #[cfg(feature = "unsealed-for-tests")]
    Plain,
}

/// A data key that takes little room; [`DataKey`] is what it becomes for use.
#[derive(Clone)]
pub(super) struct Compact {
    seal: [u8; KEY_BYTES],
    hash: [u8; KEY_BYTES],
    /// For the test that proves that looking for plaintext finds it.
    #[cfg_attr(not(feature = "unsealed-for-tests"), expect(dead_code, reason = "only tests ask for it"))]
    plain: bool,
}

impl Compact {
    pub(super) fn new(secret: &[u8; KEY_BYTES], plain: bool) -> Result<Self, Error> {
        Ok(Self { seal: derive(secret, "seal")?, hash: derive(secret, "hash")?, plain })
    }

    pub(super) fn prepare(&self) -> Result<DataKey, Error> {
        let hash = hmac::Key::new(hmac::HMAC_SHA256, &self.hash);
        #[cfg(feature = "unsealed-for-tests")]
        if self.plain {
            return Ok(DataKey { cipher: Cipher::Plain, hash });
        }
        Ok(DataKey { cipher: Cipher::Sealing(aead(&self.seal)?), hash })
    }
}

impl DataKey {
    /// Prepares a key.
    pub(super) fn new(secret: &[u8; KEY_BYTES], plain: bool) -> Result<Self, Error> {
        Compact::new(secret, plain)?.prepare()
    }

    /// The hash of the parts, which are read as one.
    pub(crate) fn hash(&self, kind: Kind, parts: &[&[u8]]) -> Hash {
        let mut context = hmac::Context::with_key(&self.hash);
        context.update(&[kind as u8]);
        parts.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        Hash(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// The hash of a JID.
    pub(crate) fn jid(&self, jid: &str) -> Hash {
        self.hash(Kind::Jid, &[jid.as_bytes()])
    }

    /// The hash of a full JID in two halves: the same as that of the whole.
    pub(crate) fn full_jid(&self, bare: &str, resource: &str) -> Hash {
        self.hash(Kind::Jid, &[bare.as_bytes(), b"/", resource.as_bytes()])
    }

    /// Seals fields for a place.
    pub(crate) fn seal(&self, place: Place, fields: Fields) -> Result<Value, Error> {
        let mut buffer = fields.0;
        match &self.cipher {
            Cipher::Sealing(key) => {
                let nonce = nonce()?;
                let (head, plaintext) = buffer.split_first_chunk_mut().ok_or_else(failed)?;
                *head = nonce;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(place.0), plaintext).map_err(|_| failed())?;
                buffer.extend_from_slice(tag.as_ref());
            }
            #[cfg(feature = "unsealed-for-tests")]
            Cipher::Plain => buffer.extend_from_slice(&[0; TAG_BYTES]),
        }
        Ok(Value::Blob(buffer.into()))
    }

    /// Opens what was sealed for a place.
    pub(crate) fn open(&self, place: Place, sealed: Bytes) -> Result<Opened, Error> {
        let mut buffer = sealed.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        let (nonce, ciphertext) = buffer.split_first_chunk_mut().ok_or_else(unopened)?;
        let plaintext_len = ciphertext.len().checked_sub(TAG_BYTES).ok_or_else(unopened)?;
        match &self.cipher {
            Cipher::Sealing(key) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.open_in_place(nonce, Aad::from(place.0), ciphertext).map_err(|_| unopened())?;
            }
            #[cfg(feature = "unsealed-for-tests")]
            Cipher::Plain => {
                let _ = nonce;
            }
        }
        let mut opened = buffer.freeze().split_off(NONCE_BYTES);
        opened.truncate(plaintext_len);
        Ok(Opened(opened))
    }
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::Io("the operating system gave no random bytes".into()))?;
    Ok(bytes)
}

/// Nonces made at a time: random bytes cost as much for a hundred as for one.
const NONCES: usize = 64;

thread_local! {
    static NONCES_LEFT: RefCell<Vec<[u8; NONCE_BYTES]>> = const { RefCell::new(Vec::new()) };
}

/// A random nonce.
fn nonce() -> Result<[u8; NONCE_BYTES], Error> {
    NONCES_LEFT.with_borrow_mut(|left| {
        if left.is_empty() {
            let fresh: [u8; NONCES * NONCE_BYTES] = random()?;
            left.extend(fresh.as_chunks().0);
        }
        left.pop().ok_or_else(failed)
    })
}

/// A cipher with this key.
pub(super) fn aead(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, Error> {
    UnboundKey::new(&AES_256_GCM_SIV, key).map(LessSafeKey::new).map_err(|_| failed())
}

/// A key for one purpose by HKDF-SHA-256 (RFC 5869): it tells nothing of another purpose's key.
pub(super) fn derive(secret: &[u8; KEY_BYTES], purpose: &str) -> Result<[u8; KEY_BYTES], Error> {
    let mut derived = [0; KEY_BYTES];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"whimbrel")
        .extract(secret)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|key| key.fill(&mut derived))
        .map_err(|_| failed())?;
    Ok(derived)
}

fn failed() -> Error {
    Error::Io("a value could not be sealed".into())
}

fn unopened() -> Error {
    Error::Corrupt("a sealed value does not open: it was changed, moved or sealed with another key".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &DataKey, place: Place) -> Bytes {
        let Value::Blob(bytes) = key.seal(place, Fields::new(0).text("hello")).unwrap() else { panic!() };
        bytes
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        let key = DataKey::new(&[1; 32], false).unwrap();
        let place = Place::numbered(Table::Mailbox, AccountId(1), 5);
        let bytes = sealed(&key, place);
        assert_eq!(key.open(place, bytes.clone()).unwrap().text().unwrap(), "hello");
        assert_ne!(sealed(&key, place), bytes, "a nonce of its own");
        let hash = key.jid("bob@example.org");
        for elsewhere in [
            Place::numbered(Table::Mailbox, AccountId(1), 6),
            Place::numbered(Table::Mailbox, AccountId(2), 5),
            Place::numbered(Table::Devices, AccountId(1), 5),
            Place::hashed(Table::Mailbox, AccountId(1), hash),
            Place::only(Table::Mailbox, AccountId(1)),
        ] {
            assert!(key.open(elsewhere, bytes.clone()).err().unwrap().is_corrupt());
        }
        let other = DataKey::new(&[2; 32], false).unwrap();
        assert!(other.open(place, bytes.clone()).is_err());
        for cut in 0..bytes.len() {
            assert!(key.open(place, bytes.slice(..cut)).is_err());
        }
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open(place, changed.into()).is_err());
    }

    #[test]
    fn a_hash_depends_on_key_kind_and_content() {
        let (key, other) = (DataKey::new(&[1; 32], false).unwrap(), DataKey::new(&[2; 32], false).unwrap());
        let hash = key.jid("bob@example.org/phone");
        assert_eq!(hash, key.full_jid("bob@example.org", "phone"));
        assert_ne!(hash, other.jid("bob@example.org/phone"));
        assert_ne!(hash, key.jid("bob@example.org"));
        assert_ne!(hash, key.hash(Kind::Localpart, &[b"bob@example.org/phone"]));
    }
}
