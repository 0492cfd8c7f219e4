//! Uploads (XEP-0363): what a URL names, an open slot or a file, and the media they hold. Uploads of one owner with the
//! same content share one medium.
//!
//! A medium is a list of parts, each an object of the media store, sealed with the medium's key: the first ones of it
//! can be read while the rest is still on its way. What becomes of the parts is the server's affair; the order is
//! always that a part is stored before a row names it, and is gone before no row does.

mod medium;
mod progress;
mod removal;

use std::fmt;

pub use medium::{Medium, ObjectId, Part, PartId};
pub use progress::{Kept, append, complete, stay_open};
pub(crate) use removal::abandon;
pub use removal::{Removal, expire, forget, lost, page, parts, removals, remove};

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    seal::{DataKey, Fields, Hash, Kind, Place, Table},
};

/// Names an upload to operators and programs; says nothing of its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadId(Hash);

impl UploadId {
    /// Parses the text form, 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = u128::from_str_radix(text, 16).ok();
        let is_ours = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.filter(|_| is_ours).map(|number| Self(Hash(number.to_be_bytes())))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0.0))
    }
}

/// What its owner said of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The random part of its URL.
    pub token: String,
    /// What it is called.
    pub file_name: String,
    /// Its media type; empty if none was said.
    pub content_type: String,
    /// Its size.
    pub bytes: u64,
}

/// An upload that was found by its URL.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name among uploads.
    pub id: UploadId,
    /// Whose it is.
    pub owner: AccountId,
    /// Whether all of it is there.
    pub whole: bool,
    /// When the slot was granted or, once it is whole, when that was; Unix time in milliseconds.
    pub at_ms: i64,
    /// When an open slot closes, likewise.
    pub expires_at_ms: i64,
    /// What was said of it.
    pub described: Described,
    /// What it holds.
    pub medium: Medium,
    /// Hashes content so that equal files of one owner are found; of no use to anybody else.
    pub fingerprint_key: FingerprintKey,
}

/// A key for hashing content, the same for all of an account's files.
#[derive(Clone)]
pub struct FingerprintKey(
    /// Its bytes.
    pub [u8; 16],
);

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(..)")
    }
}

/// One of an account's uploads, in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name among uploads.
    pub id: UploadId,
    /// Whether all of it is there.
    pub whole: bool,
    /// As in [`Upload`].
    pub at_ms: i64,
    /// What was said of it.
    pub described: Described,
}

/// What the uploads of an account, or of all, take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Files.
    pub files: u64,
    /// Bytes of their contents; equal contents count once.
    pub bytes: u64,
    /// Open slots.
    pub slots: u64,
    /// Bytes that were promised for them.
    pub slot_bytes: u64,
}

/// Opens a slot, whose medium is empty. A violated constraint if there is no such account.
pub async fn grant(
    db: &Db,
    owner: AccountId,
    described: &Described,
    now_ms: i64,
    expires_at_ms: i64,
) -> Result<(), Error> {
    let insert_upload = "\
INSERT INTO uploads (name_hash, owner, object, whole, bytes, at_ms, expires_at_ms, sealed)
SELECT ?, ?, ?, 0, ?, ?, ?, ? FROM accounts WHERE id = ? AND localpart_hash IS NOT NULL";
    let insert_medium = "\
INSERT INTO media (object, owner, bytes, parts, content_hash, removing, sealed)
SELECT ?, ?, 0, ?, NULL, 0, ? FROM uploads WHERE name_hash = ?";
    let key = db.expect_key(owner).await?;
    let hash = name_hash(db, &described.token);
    let medium = Medium::create()?;
    let upload = [
        hash.into(),
        owner.into(),
        medium.object.into(),
        bytes_value(described.bytes),
        now_ms.into(),
        expires_at_ms.into(),
        key.seal(upload_place(owner, hash), fields(described))?,
        owner.into(),
    ];
    let medium = [
        medium.object.into(),
        owner.into(),
        Value::Blob(bytes::Bytes::new()),
        medium.sealed(&key, owner)?,
        hash.into(),
    ];
    let outcomes = db.write(vec![Statement::new(insert_upload, upload), Statement::new(insert_medium, medium)]).await?;
    match outcomes.first() {
        Some(outcome) if outcome.rows_affected > 0 => Ok(()),
        _ => Err(Error::Constraint("no such account".into())),
    }
}

/// The upload whose URL has this random part; what is whole or an open slot, expired or not.
pub async fn find(db: &Db, token: &str) -> Result<Option<Upload>, Error> {
    let sql = "\
SELECT u.owner, u.object, u.whole, u.bytes, u.at_ms, u.expires_at_ms, u.sealed, m.bytes, m.parts, m.sealed
FROM uploads u JOIN media m ON m.object = u.object WHERE u.name_hash = ?";
    let hash = name_hash(db, token);
    let Some(mut row) = db.query_one(Statement::new(sql, [hash.into()])).await? else { return Ok(None) };
    let owner = AccountId(row.int()?);
    // An account that is being deleted has none, and what it owned does not open.
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let object = ObjectId::read(&mut row)?;
    let (whole, promised, at_ms, expires_at_ms) = (row.bool()?, row.count()?, row.int()?, row.int()?);
    let described = described(&key, owner, hash, promised, row.blob()?)?;
    let medium = Medium::read(&key, owner, object, &mut row)?;
    let fingerprint_key = FingerprintKey(key.hash(Kind::FingerprintKey, &[]).0);
    Ok(Some(Upload { id: UploadId(hash), owner, whole, at_ms, expires_at_ms, described, medium, fingerprint_key }))
}

/// Up to `limit` uploads of an account after `after`, by id.
pub async fn list(db: &Db, owner: AccountId, after: Option<UploadId>, limit: u32) -> Result<Vec<Listed>, Error> {
    let sql = "\
SELECT name_hash, whole, bytes, at_ms, sealed FROM uploads WHERE owner = ? AND whole = ? AND name_hash > ?
ORDER BY name_hash LIMIT ?";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let after = after.map_or(Hash([0; 16]), |id| id.0);
    let read = |mut row: Row| {
        let hash = Hash::read(&mut row)?;
        let (whole, bytes, at_ms) = (row.bool()?, row.count()?, row.int()?);
        Ok(Listed { id: UploadId(hash), whole, at_ms, described: described(&key, owner, hash, bytes, row.blob()?)? })
    };
    let mut listed = Vec::new();
    for whole in [false, true] {
        let params = [owner.into(), whole.into(), after.into(), limit.into()];
        let rows = db.query(Statement::new(sql, params)).await?;
        listed.append(&mut rows.into_iter().map(read).collect::<Result<Vec<_>, Error>>()?);
    }
    listed.sort_unstable_by_key(|listed| listed.id.0.0);
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(listed)
}

/// What an account has, for its quota; slots that have expired do not count.
pub async fn usage(db: &Db, owner: AccountId, now_ms: i64) -> Result<Usage, Error> {
    let files = "SELECT COUNT(*) FROM uploads WHERE owner = ? AND whole = 1";
    let bytes = "SELECT COALESCE(SUM(bytes), 0) FROM media WHERE owner = ? AND content_hash IS NOT NULL";
    let slots = "\
SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM uploads WHERE owner = ? AND whole = 0 AND expires_at_ms > ?";
    let counted = async |sql| {
        let row = db.query_one(Statement::new(sql, [owner.into()])).await?;
        row.map_or(Ok(0), |mut row| row.count())
    };
    let mut usage = Usage { files: counted(files).await?, bytes: counted(bytes).await?, ..Usage::default() };
    if let Some(mut row) = db.query_one(Statement::new(slots, [owner.into(), now_ms.into()])).await? {
        (usage.slots, usage.slot_bytes) = (row.count()?, row.count()?);
    }
    Ok(usage)
}

fn name_hash(db: &Db, token: &str) -> Hash {
    db.keys().deployment().hash(Kind::Upload, &[token.as_bytes()])
}

fn upload_place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::Uploads, owner, hash)
}

fn fields(described: &Described) -> Fields {
    Fields::new(128).text(&described.token).text(&described.file_name).text(&described.content_type)
}

fn described(
    key: &DataKey,
    owner: AccountId,
    hash: Hash,
    bytes: u64,
    sealed: bytes::Bytes,
) -> Result<Described, Error> {
    let mut opened = key.open(upload_place(owner, hash), sealed)?;
    Ok(Described { token: opened.text()?, file_name: opened.text()?, content_type: opened.text()?, bytes })
}

fn bytes_value(bytes: u64) -> Value {
    Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX))
}
