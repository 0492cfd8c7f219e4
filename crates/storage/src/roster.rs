//! Rosters: contacts, subscriptions, and what changed since a version
//! (RFC 6121 §2, §2.6, §3).
//!
//! The server serialises the changes of one account, so a change is a plain
//! write. Each change takes the account's next version, and stamps its row with
//! it; an item that leaves is remembered in `roster_removals` for
//! [`ROSTER_CHANGES_KEPT`] versions.

use bytes::Bytes;

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    limits::ROSTER_CHANGES_KEPT,
    seal::{DataKey, Fields, Hash, Place, Table},
    text_list,
};

/// Whose presence whom reaches (RFC 6121 §2.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subscription {
    /// Nobody's.
    #[default]
    None,
    /// The owner sees the contact's presence.
    To,
    /// The contact sees the owner's presence.
    From,
    /// Each sees the other's.
    Both,
}

impl Subscription {
    /// Whether the owner sees the contact's presence.
    pub fn has_to(self) -> bool {
        matches!(self, Self::To | Self::Both)
    }

    /// Whether the contact sees the owner's presence.
    pub fn has_from(self) -> bool {
        matches!(self, Self::From | Self::Both)
    }

    /// The value of the `subscription` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::To => "to",
            Self::From => "from",
            Self::Both => "both",
        }
    }

    fn to_int(self) -> i64 {
        match self {
            Self::None => 0,
            Self::To => 1,
            Self::From => 2,
            Self::Both => 3,
        }
    }

    pub(crate) fn from_int(number: i64) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::To),
            2 => Ok(Self::From),
            3 => Ok(Self::Both),
            _ => Err(Error::Corrupt("unknown subscription".into())),
        }
    }
}

/// A contact, or somebody who asks to become one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Normalised bare JID.
    pub jid: String,
    /// What the owner calls the contact.
    pub name: Option<String>,
    /// The state of the subscription.
    pub subscription: Subscription,
    /// The owner's subscription request is not answered yet.
    pub ask: bool,
    /// The owner approved a request in advance (RFC 6121 §3.4).
    pub approved: bool,
    /// The contact's presence of type subscribe that the owner has not
    /// answered, to be delivered at each login.
    pub pending_in: Option<Bytes>,
    /// The groups the owner put the contact in.
    pub groups: Vec<String>,
    /// False if the owner has no such contact and the row only holds
    /// `pending_in`: then it is never pushed or returned to a client.
    pub in_roster: bool,
    /// The version of its last change; ignored when written.
    pub version: i64,
}

/// A whole roster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// The newest version.
    pub version: i64,
    /// Every item, those with only a pending request included, by JID.
    pub items: Vec<Item>,
}

/// The difference between two versions of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version they lead to.
    pub version: i64,
    /// Items that were added or changed, in the order of their versions.
    pub changed: Vec<Item>,
    /// JIDs of items that left. Apply these after `changed`.
    pub removed: Vec<String>,
}

macro_rules! select_items {
    ($rest:literal) => {
        concat!("SELECT jid_hash, sealed, subscription, ask, approved, in_roster, version FROM roster ", $rest)
    };
}

/// The whole roster of an account; empty for an account that does not exist.
pub async fn load(db: &Db, owner: AccountId) -> Result<Roster, Error> {
    // The version first: a change in between is then sent twice, not missed.
    let version = version(db, owner).await?;
    let Some(key) = db.key(owner).await? else { return Ok(Roster { version, items: Vec::new() }) };
    let rows = db.query(Statement::new(select_items!("WHERE owner = ?"), [owner.into()])).await?;
    let mut items = rows.into_iter().map(|row| read(&key, owner, row)).collect::<Result<Vec<_>, _>>()?;
    items.sort_unstable_by(|a, b| a.jid.cmp(&b.jid));
    Ok(Roster { version, items })
}

/// One item.
pub async fn item(db: &Db, owner: AccountId, jid: &str) -> Result<Option<Item>, Error> {
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let params = [owner.into(), key.jid(jid).into()];
    let statement = Statement::new(select_items!("WHERE owner = ? AND jid_hash = ?"), params);
    db.query_one(statement).await?.map(|row| read(&key, owner, row)).transpose()
}

/// What happened after `version`, or `None` if that is too long ago or was never
/// a version of this roster: then the client needs the whole roster.
pub async fn changes_since(db: &Db, owner: AccountId, version: i64) -> Result<Option<Changes>, Error> {
    let newest = self::version(db, owner).await?;
    if version > newest || version < newest.saturating_sub(ROSTER_CHANGES_KEPT) {
        return Ok(None);
    }
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let sql = select_items!("WHERE owner = ? AND version > ? AND in_roster = 1 ORDER BY version");
    let rows = db.query(Statement::new(sql, [owner.into(), version.into()])).await?;
    let changed = rows.into_iter().map(|row| read(&key, owner, row)).collect::<Result<_, _>>()?;
    let sql = "SELECT jid_hash, sealed FROM roster_removals WHERE owner = ? AND version > ? ORDER BY version";
    let rows = db.query(Statement::new(sql, [owner.into(), version.into()])).await?;
    let removed = rows.into_iter().map(|mut row| {
        let hash = Hash::read(&mut row)?;
        key.open(removal_place(owner, hash), row.blob()?)?.text()
    });
    Ok(Some(Changes { version: newest, changed, removed: removed.collect::<Result<_, _>>()? }))
}

const NEXT_VERSION: &str = "UPDATE accounts SET roster_version = roster_version + 1 WHERE id = ?";
const NEXT_VERSION_IF_PRESENT: &str = "\
UPDATE accounts SET roster_version = roster_version + 1
WHERE id = ? AND EXISTS (SELECT 1 FROM roster WHERE owner = ? AND jid_hash = ?)";
const VERSION: &str = "SELECT roster_version FROM accounts WHERE id = ?";

const FORGET_REMOVAL: &str = "DELETE FROM roster_removals WHERE owner = ? AND jid_hash = ?";
/// Only what a client has seen can leave its roster.
const REMEMBER_REMOVAL: &str = "\
INSERT INTO roster_removals (owner, jid_hash, version, sealed)
SELECT r.owner, r.jid_hash, a.roster_version, ? FROM roster r JOIN accounts a ON a.id = r.owner
WHERE r.owner = ? AND r.jid_hash = ? AND r.in_roster = 1
ON CONFLICT (owner, jid_hash) DO UPDATE SET version = excluded.version";
const FORGET_OLD_REMOVALS: &str = "\
DELETE FROM roster_removals
WHERE owner = ? AND version <= (SELECT roster_version FROM accounts WHERE id = ?) - ?";

const UPSERT: &str = "\
INSERT INTO roster (owner, jid_hash, subscription, ask, approved, in_roster, sealed, version)
VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT roster_version FROM accounts WHERE id = ?))
ON CONFLICT (owner, jid_hash) DO UPDATE SET subscription = excluded.subscription, ask = excluded.ask,
    approved = excluded.approved, in_roster = excluded.in_roster, sealed = excluded.sealed,
    version = excluded.version";

/// Adds or replaces an item and returns the roster's new version. For an account
/// that does not exist it is an error for which
/// [`is_constraint`](Error::is_constraint) holds.
pub async fn upsert(db: &Db, owner: AccountId, item: &Item) -> Result<i64, Error> {
    let key = db.expect_key(owner).await?;
    let hash = key.jid(&item.jid);
    let mut batch = vec![Statement::new(NEXT_VERSION, [owner.into()])];
    if item.in_roster {
        batch.push(Statement::new(FORGET_REMOVAL, [owner.into(), hash.into()]));
    } else {
        batch.push(remember_removal(&key, owner, &item.jid)?);
        batch.push(forget_old_removals(owner));
    }
    let mut params = Vec::from(columns(&key, owner, item)?);
    params.push(owner.into());
    batch.push(Statement::new(UPSERT, params));
    batch.push(Statement::new(VERSION, [owner.into()]));
    let row = db.write(batch).await?.pop().and_then(|outcome| outcome.into_row());
    row.map_or_else(|| Err(Error::Constraint("no such account".into())), |mut row| row.int())
}

/// Removes an item with everything in its row, and returns the roster's new
/// version, or `None` if there was no such item.
pub async fn remove(db: &Db, owner: AccountId, jid: &str) -> Result<Option<i64>, Error> {
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let hash = key.jid(jid);
    let batch = vec![
        Statement::new(NEXT_VERSION_IF_PRESENT, [owner.into(), owner.into(), hash.into()]),
        remember_removal(&key, owner, jid)?,
        forget_old_removals(owner),
        Statement::new("DELETE FROM roster WHERE owner = ? AND jid_hash = ?", [owner.into(), hash.into()]),
        Statement::new(VERSION, [owner.into()]),
    ];
    let mut outcomes = db.write(batch).await?;
    let row = outcomes.pop().and_then(|outcome| outcome.into_row());
    let was_present = outcomes.first().is_some_and(|bump| bump.rows_affected > 0);
    row.filter(|_| was_present).map(|mut row| row.int()).transpose()
}

/// The columns owner, jid_hash, subscription, ask, approved, in_roster, sealed.
pub(crate) fn columns(key: &DataKey, owner: AccountId, item: &Item) -> Result<[Value; 7], Error> {
    let hash = key.jid(&item.jid);
    let fields = Fields::new(item.jid.len().saturating_add(128))
        .text(&item.jid)
        .opt_text(item.name.as_deref())
        .opt_bytes(item.pending_in.as_deref())
        .text(&text_list::encode(&item.groups));
    Ok([
        owner.into(),
        hash.into(),
        item.subscription.to_int().into(),
        item.ask.into(),
        item.approved.into(),
        item.in_roster.into(),
        key.seal(place(owner, hash), fields)?,
    ])
}

/// The columns owner, jid_hash, sealed of an item that left.
pub(crate) fn removal_columns(key: &DataKey, owner: AccountId, jid: &str) -> Result<[Value; 3], Error> {
    let hash = key.jid(jid);
    let sealed = key.seal(removal_place(owner, hash), Fields::new(jid.len()).text(jid))?;
    Ok([owner.into(), hash.into(), sealed])
}

fn remember_removal(key: &DataKey, owner: AccountId, jid: &str) -> Result<Statement, Error> {
    let [owner, hash, sealed] = removal_columns(key, owner, jid)?;
    Ok(Statement::new(REMEMBER_REMOVAL, [sealed, owner, hash]))
}

fn place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::Roster, owner, hash)
}

fn removal_place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::RosterRemovals, owner, hash)
}

fn forget_old_removals(owner: AccountId) -> Statement {
    Statement::new(FORGET_OLD_REMOVALS, [owner.into(), owner.into(), ROSTER_CHANGES_KEPT.into()])
}

async fn version(db: &Db, owner: AccountId) -> Result<i64, Error> {
    db.query_one(Statement::new(VERSION, [owner.into()])).await?.map_or(Ok(0), |mut row| row.int())
}

fn read(key: &DataKey, owner: AccountId, mut row: Row) -> Result<Item, Error> {
    let hash = Hash::read(&mut row)?;
    let mut opened = key.open(place(owner, hash), row.blob()?)?;
    Ok(Item {
        jid: opened.text()?,
        name: opened.opt_text()?,
        pending_in: opened.opt_bytes()?,
        groups: text_list::decode(&opened.text()?)?,
        subscription: Subscription::from_int(row.int()?)?,
        ask: row.bool()?,
        approved: row.bool()?,
        in_roster: row.bool()?,
        version: row.int()?,
    })
}
