//! The devices of an account: installations of a client that named themselves when they logged in (XEP-0388), and the
//! tokens by which they come back (XEP-0484).
//!
//! A device has one token in use, and perhaps a newer one that it has not used yet: until then nobody knows whether
//! it arrived.

use std::fmt;

use bytes::Bytes;

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    seal::{DataKey, Fields, Place, Table},
};

/// A device of an account; made from a keyed hash, so it says nothing of what the client calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(u64);

impl DeviceId {
    /// The id in these bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Parses the text form, 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| is_ours).map(Self)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<DeviceId> for Value {
    fn from(id: DeviceId) -> Self {
        Self::Int(id.0.cast_signed())
    }
}

/// A device as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The name of its software.
    pub software: Option<String>,
    /// What its owner calls it.
    pub name: Option<String>,
    /// It logged in with the password that is still in force.
    pub by_password: bool,
    /// It has a token that was not expired at the time asked about.
    pub has_token: bool,
    /// The first log-in, Unix time in milliseconds.
    pub first_seen_ms: i64,
    /// The last log-in, likewise.
    pub last_seen_ms: i64,
}

/// A token in force or expired, without the token itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What the token is made from, together with a key of the deployment.
    pub seed: Bytes,
    /// The mechanism it was issued for.
    pub mechanism: String,
    /// Unix time in milliseconds.
    pub issued_at_ms: i64,
    /// Unix time in milliseconds.
    pub expires_at_ms: i64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

const SEEN: &str = "\
INSERT INTO devices (owner, id, sealed, by_password, first_seen_ms, last_seen_ms)
VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT (owner, id) DO UPDATE SET sealed = excluded.sealed,
    by_password = excluded.by_password, last_seen_ms = excluded.last_seen_ms";

/// Notes that a device logged in with the password, and the names of its software and itself. Beyond `devices_max` the device unseen for longest is forgotten.
pub async fn seen(
    db: &Db,
    owner: AccountId,
    id: DeviceId,
    names: (Option<&str>, Option<&str>),
    now_ms: i64,
    devices_max: usize,
) -> Result<(), Error> {
    let sealed = db.expect_key(owner).await?.seal(place(owner, id), fields(names))?;
    let params = [owner.into(), id.into(), sealed, now_ms.into(), now_ms.into()];
    db.execute(Statement::new(SEEN, params)).await?;
    let oldest = "SELECT id FROM devices WHERE owner = ? ORDER BY last_seen_ms DESC, id LIMIT ? OFFSET ?";
    let devices_max = i64::try_from(devices_max).unwrap_or(i64::MAX);
    let surplus = Statement::new(oldest, [owner.into(), SURPLUS_STEP.into(), devices_max.into()]);
    for mut row in db.query(surplus).await? {
        revoke(db, owner, read_id(&mut row)?).await?;
    }
    Ok(())
}

/// Devices forgotten at one log-in, when the bound was lowered.
const SURPLUS_STEP: u32 = 16;

/// The devices, the one seen last first.
pub async fn list(db: &Db, owner: AccountId, now_ms: i64) -> Result<Vec<Device>, Error> {
    let sql = "\
SELECT d.id, d.sealed, d.by_password, d.first_seen_ms, d.last_seen_ms,
    (SELECT COUNT(*) FROM device_tokens t WHERE t.owner = d.owner AND t.device = d.id AND t.expires_at_ms > ?)
FROM devices d WHERE d.owner = ? ORDER BY d.last_seen_ms DESC, d.id";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let rows = db.query(Statement::new(sql, [now_ms.into(), owner.into()])).await?;
    rows.into_iter().map(|row| read(&key, owner, row)).collect()
}

/// Forgets a device and its tokens; whether there was one.
pub async fn revoke(db: &Db, owner: AccountId, id: DeviceId) -> Result<bool, Error> {
    let batch = vec![
        Statement::new("DELETE FROM devices WHERE owner = ? AND id = ?", [owner.into(), id.into()]),
        Statement::new("DELETE FROM device_tokens WHERE owner = ? AND device = ?", [owner.into(), id.into()]),
    ];
    Ok(db.write(batch).await?.first().is_some_and(|outcome| outcome.rows_affected > 0))
}

/// The tokens of a device, the newest first.
pub async fn tokens(db: &Db, owner: AccountId, device: DeviceId) -> Result<Vec<Token>, Error> {
    let sql = "\
SELECT seed, mechanism, issued_at_ms, expires_at_ms FROM device_tokens
WHERE owner = ? AND device = ? ORDER BY expires_at_ms DESC, issued_at_ms DESC";
    let rows = db.query(Statement::new(sql, [owner.into(), device.into()])).await?;
    let read = |mut row: Row| {
        Ok(Token { seed: row.blob()?, mechanism: row.text()?, issued_at_ms: row.int()?, expires_at_ms: row.int()? })
    };
    rows.into_iter().map(read).collect()
}

/// Adds a token. One that was issued before and never used is forgotten.
pub async fn add_token(db: &Db, owner: AccountId, device: DeviceId, token: &Token) -> Result<(), Error> {
    let insert = "\
INSERT INTO device_tokens (owner, device, seed, mechanism, issued_at_ms, expires_at_ms, last_count)
VALUES (?, ?, ?, ?, ?, ?, -1)";
    let params = [
        owner.into(),
        device.into(),
        token.seed.clone().into(),
        token.mechanism.as_str().into(),
        token.issued_at_ms.into(),
        token.expires_at_ms.into(),
    ];
    let unused = "DELETE FROM device_tokens WHERE owner = ? AND device = ? AND used_at_ms IS NULL";
    let batch = vec![Statement::new(unused, [owner.into(), device.into()]), Statement::new(insert, params)];
    db.write(batch).await.map(drop)
}

/// Uses a token: its device was seen, and tokens that expire earlier are forgotten. False when the token is gone, or
/// `count` is not greater than all before (XEP-0484 §3.4): then nothing changes.
pub async fn use_token(
    db: &Db,
    owner: AccountId,
    device: DeviceId,
    token: &Token,
    count: Option<u32>,
    now_ms: i64,
) -> Result<bool, Error> {
    let key: [Value; 3] = [owner.into(), device.into(), token.seed.clone().into()];
    let claim = match count {
        Some(count) => {
            let sql = "\
UPDATE device_tokens SET used_at_ms = ?, last_count = ?
WHERE owner = ? AND device = ? AND seed = ? AND last_count < ?";
            let [owner, device, seed] = key;
            Statement::new(sql, [now_ms.into(), count.into(), owner, device, seed, count.into()])
        }
        None => {
            let sql = "UPDATE device_tokens SET used_at_ms = ? WHERE owner = ? AND device = ? AND seed = ?";
            let [owner, device, seed] = key;
            Statement::new(sql, [now_ms.into(), owner, device, seed])
        }
    };
    if db.execute(claim).await?.rows_affected == 0 {
        return Ok(false);
    }
    let seen = "UPDATE devices SET last_seen_ms = ? WHERE owner = ? AND id = ?";
    let earlier = "DELETE FROM device_tokens WHERE owner = ? AND device = ? AND expires_at_ms < ?";
    let batch = vec![
        Statement::new(seen, [now_ms.into(), owner.into(), device.into()]),
        Statement::new(earlier, [owner.into(), device.into(), token.expires_at_ms.into()]),
    ];
    // Nobody waits for it: the next write takes it along, and the next use repeats what a crash undid.
    db.submit(batch).await?;
    Ok(true)
}

/// Forgets one token (XEP-0484 §3.6).
pub async fn forget_token(db: &Db, owner: AccountId, device: DeviceId, token: &Token) -> Result<(), Error> {
    let sql = "DELETE FROM device_tokens WHERE owner = ? AND device = ? AND seed = ?";
    db.execute(Statement::new(sql, [owner.into(), device.into(), token.seed.clone().into()])).await.map(drop)
}

/// What a new password does: no token and no older password counts any more.
pub(crate) fn password_changed(owner: AccountId) -> [Statement; 2] {
    [
        Statement::new("DELETE FROM device_tokens WHERE owner = ?", [owner.into()]),
        Statement::new("UPDATE devices SET by_password = 0 WHERE owner = ?", [owner.into()]),
    ]
}

pub(crate) fn read_id(row: &mut Row) -> Result<DeviceId, Error> {
    row.int().map(|number| DeviceId(number.cast_unsigned()))
}

pub(crate) fn place(owner: AccountId, id: DeviceId) -> Place {
    Place::numbered(Table::Devices, owner, id.0.cast_signed())
}

pub(crate) fn fields((software, name): (Option<&str>, Option<&str>)) -> Fields {
    Fields::new(64).opt_text(software).opt_text(name)
}

fn read(key: &DataKey, owner: AccountId, mut row: Row) -> Result<Device, Error> {
    let id = read_id(&mut row)?;
    let mut opened = key.open(place(owner, id), row.blob()?)?;
    Ok(Device {
        id,
        software: opened.opt_text()?,
        name: opened.opt_text()?,
        by_password: row.bool()?,
        first_seen_ms: row.int()?,
        last_seen_ms: row.int()?,
        has_token: row.bool()?,
    })
}
