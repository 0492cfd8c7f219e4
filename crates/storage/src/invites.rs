//! Invitations (XEP-0401, XEP-0445, XEP-0379): links by which somebody becomes a user, a contact, or both. Of the token
//! in a link only a keyed hash is kept. An invitation belongs to the account that the invited person is connected
//! with, if it names one, is sealed with that account's key and goes with it.

use std::{fmt, sync::Arc};

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    seal::{DataKey, Fields, Hash, Kind, Place, Table},
};

/// An invitation in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(i64);

impl InviteId {
    /// The id in these bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        // A positive number in every database.
        Self(i64::from_be_bytes(bytes) & i64::MAX)
    }

    /// Parses the text form, 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        i64::from_str_radix(text, 16).ok().filter(|_| is_ours).map(Self)
    }
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<InviteId> for Value {
    fn from(id: InviteId) -> Self {
        Self::Int(id.0)
    }
}

/// An invitation without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The account that the invited person is connected with.
    pub contact: Option<AccountId>,
    /// The name that is reserved for the invited person, a normalised localpart.
    pub localpart: Option<String>,
    /// Whether an account may be registered with it.
    pub registers: bool,
    /// How often it can be used.
    pub uses_max: u32,
    /// How often it was used.
    pub uses: u32,
    /// Unix time in milliseconds.
    pub created_at_ms: i64,
    /// Unix time in milliseconds.
    pub expires_at_ms: i64,
    /// Who made it, for operators.
    pub created_by: String,
}

impl Invite {
    /// Whether somebody can use it at that time.
    pub fn is_open(&self, now_ms: i64) -> bool {
        self.uses < self.uses_max && now_ms < self.expires_at_ms
    }
}

const INSERT: &str = "\
INSERT INTO invites (id, token_hash, owner, localpart_hash, registers, uses_max, uses, created_at_ms, expires_at_ms,
    sealed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

macro_rules! select_invites {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner, registers, uses_max, uses, created_at_ms, expires_at_ms, sealed FROM invites ",
            $rest
        )
    };
}

/// Stores an invitation with its token; false if the id or the token is taken.
pub async fn create(db: &Db, invite: &Invite, token: &str) -> Result<bool, Error> {
    let owner = invite.contact.unwrap_or(AccountId(0));
    let fields = Fields::new(64).opt_text(invite.localpart.as_deref()).text(&invite.created_by);
    let sealed = Sealing::of(db, owner).await?.ok_or_else(|| Error::Constraint("no such account".into()))?;
    let params: [Value; 10] = [
        invite.id.into(),
        token_hash(db, token).into(),
        owner.into(),
        invite.localpart.as_deref().map(|localpart| db.keys().localpart(localpart)).into(),
        invite.registers.into(),
        invite.uses_max.into(),
        invite.uses.into(),
        invite.created_at_ms.into(),
        invite.expires_at_ms.into(),
        sealed.key(db).seal(place(owner, invite.id), fields)?,
    ];
    match db.execute(Statement::new(INSERT, params)).await {
        Err(error) if error.is_conflict() => Ok(false),
        done => done.map(|_| true),
    }
}

/// The invitation with that token, used up and expired ones included.
pub async fn by_token(db: &Db, token: &str) -> Result<Option<Invite>, Error> {
    let statement = Statement::new(select_invites!("WHERE token_hash = ?"), [token_hash(db, token).into()]);
    match db.query_one(statement).await? {
        Some(row) => read(db, row).await,
        None => Ok(None),
    }
}

/// The invitation with that id.
pub async fn by_id(db: &Db, id: InviteId) -> Result<Option<Invite>, Error> {
    match db.query_one(Statement::new(select_invites!("WHERE id = ?"), [id.into()])).await? {
        Some(row) => read(db, row).await,
        None => Ok(None),
    }
}

/// Up to `limit` invitations in the order of their ids, those after `after`.
pub async fn list(db: &Db, after: Option<InviteId>, limit: u32) -> Result<Vec<Invite>, Error> {
    let sql = select_invites!("WHERE id > ? ORDER BY id LIMIT ?");
    let rows = db.query(Statement::new(sql, [after.unwrap_or(InviteId(-1)).into(), limit.into()])).await?;
    let mut invites = Vec::with_capacity(rows.len());
    for row in rows {
        invites.extend(read(db, row).await?);
    }
    Ok(invites)
}

/// How many invitations can be used at that time: all of them, and those of one account.
pub async fn count_open(db: &Db, contact: Option<AccountId>, now_ms: i64) -> Result<(u64, u64), Error> {
    let all = "SELECT COUNT(*) FROM invites WHERE uses < uses_max AND expires_at_ms > ?";
    let own = "SELECT COUNT(*) FROM invites WHERE owner = ? AND uses < uses_max AND expires_at_ms > ?";
    let counted = async |statement| db.query_one(statement).await?.map_or(Ok(0), |mut row: Row| row.count());
    let all = counted(Statement::new(all, [now_ms.into()])).await?;
    let owner = contact.unwrap_or(AccountId(0));
    Ok((all, counted(Statement::new(own, [owner.into(), now_ms.into()])).await?))
}

/// The open invitation that a name is reserved by (XEP-0401 §5.2).
pub async fn reserving(db: &Db, localpart: &str, now_ms: i64) -> Result<Option<InviteId>, Error> {
    let sql = "\
SELECT id FROM invites WHERE localpart_hash = ? AND uses < uses_max AND expires_at_ms > ? ORDER BY id LIMIT 1";
    let hash = db.keys().localpart(localpart);
    let row = db.query_one(Statement::new(sql, [hash.into(), now_ms.into()])).await?;
    row.map(|mut row| row.int().map(InviteId)).transpose()
}

/// Takes one use; false when none is left. Whether it has expired is the caller's question: XEP-0445 §4 asks it
/// earlier.
pub async fn take(db: &Db, id: InviteId) -> Result<bool, Error> {
    let sql = "UPDATE invites SET uses = uses + 1 WHERE id = ? AND uses < uses_max";
    Ok(db.execute(Statement::new(sql, [id.into()])).await?.rows_affected > 0)
}

/// Gives back a use that came to nothing.
pub async fn give_back(db: &Db, id: InviteId) -> Result<(), Error> {
    let sql = "UPDATE invites SET uses = uses - 1 WHERE id = ? AND uses > 0";
    db.execute(Statement::new(sql, [id.into()])).await.map(drop)
}

/// Forgets an invitation; whether there was one.
pub async fn revoke(db: &Db, id: InviteId) -> Result<bool, Error> {
    Ok(db.execute(Statement::new("DELETE FROM invites WHERE id = ?", [id.into()])).await?.rows_affected > 0)
}

/// Forgets those that expired before that time.
pub async fn purge(db: &Db, expired_before_ms: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM invites WHERE expires_at_ms < ?";
    Ok(db.execute(Statement::new(sql, [expired_before_ms.into()])).await?.rows_affected)
}

/// The key of the account that an invitation belongs to, or the deployment's.
enum Sealing {
    Account(Arc<DataKey>),
    Deployment,
}

impl Sealing {
    async fn of(db: &Db, owner: AccountId) -> Result<Option<Self>, Error> {
        if owner == AccountId(0) { Ok(Some(Self::Deployment)) } else { Ok(db.key(owner).await?.map(Self::Account)) }
    }

    fn key<'a>(&'a self, db: &'a Db) -> &'a DataKey {
        match self {
            Self::Account(key) => key,
            Self::Deployment => db.keys().deployment(),
        }
    }
}

fn token_hash(db: &Db, token: &str) -> Hash {
    db.keys().deployment().hash(Kind::InviteToken, &[token.as_bytes()])
}

fn place(owner: AccountId, id: InviteId) -> Place {
    Place::numbered(Table::Invites, owner, id.0)
}

/// `None` for one whose account is being deleted.
async fn read(db: &Db, mut row: Row) -> Result<Option<Invite>, Error> {
    let (id, owner) = (InviteId(row.int()?), AccountId(row.int()?));
    let (registers, uses_max, uses) = (row.bool()?, small(row.int()?), small(row.int()?));
    let (created_at_ms, expires_at_ms) = (row.int()?, row.int()?);
    let Some(sealing) = Sealing::of(db, owner).await? else { return Ok(None) };
    let mut opened = sealing.key(db).open(place(owner, id), row.blob()?)?;
    Ok(Some(Invite {
        id,
        contact: (owner != AccountId(0)).then_some(owner),
        localpart: opened.opt_text()?,
        created_by: opened.text()?,
        registers,
        uses_max,
        uses,
        created_at_ms,
        expires_at_ms,
    }))
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
