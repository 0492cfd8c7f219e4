//! Tokens of the administration's API: who may ask for what, and until when. Of a token itself only a keyed hash is
//! kept; its name and scopes are sealed, so that nobody who can write to the database widens them.

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    seal::{Fields, Hash, Kind, Place, Table},
};

/// A token as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// What the operator calls it; one of a kind.
    pub name: String,
    /// What it is good for, as the caller writes it.
    pub scopes: String,
    /// Unix time in milliseconds.
    pub created_at_ms: i64,
    /// Unix time in milliseconds; `None` for never.
    pub expires_at_ms: Option<i64>,
    /// The last use, Unix time in milliseconds; `None` if there was none.
    pub used_at_ms: Option<i64>,
}

const INSERT: &str = "\
INSERT INTO api_tokens (name_hash, token_hash, created_at_ms, expires_at_ms, sealed) VALUES (?, ?, ?, ?, ?)";

macro_rules! select_tokens {
    ($rest:literal) => {
        concat!("SELECT token_hash, created_at_ms, expires_at_ms, used_at_ms, sealed FROM api_tokens ", $rest)
    };
}

/// Stores a token with the secret that it is; false if there is one of that name.
pub async fn create(db: &Db, token: &ApiToken, secret: &[u8]) -> Result<bool, Error> {
    let hash = secret_hash(db, secret);
    let fields = Fields::new(64).text(&token.name).text(&token.scopes);
    let params: [Value; 5] = [
        name_hash(db, &token.name).into(),
        hash.into(),
        token.created_at_ms.into(),
        token.expires_at_ms.into(),
        db.keys().deployment().seal(place(hash), fields)?,
    ];
    match db.execute(Statement::new(INSERT, params)).await {
        Err(error) if error.is_conflict() => Ok(false),
        done => done.map(|_| true),
    }
}

/// The token that has this secret. It is looked up by a keyed hash, so how long that takes tells nobody anything.
pub async fn by_secret(db: &Db, secret: &[u8]) -> Result<Option<ApiToken>, Error> {
    let statement = Statement::new(select_tokens!("WHERE token_hash = ?"), [secret_hash(db, secret).into()]);
    db.query_one(statement).await?.map(|row| read(db, row)).transpose()
}

/// Every token, the oldest first.
pub async fn list(db: &Db) -> Result<Vec<ApiToken>, Error> {
    let rows = db.query(Statement::new(select_tokens!("ORDER BY created_at_ms, name_hash"), [])).await?;
    rows.into_iter().map(|row| read(db, row)).collect()
}

/// How many there are.
pub async fn count(db: &Db) -> Result<u64, Error> {
    let row = db.query_one(Statement::new("SELECT COUNT(*) FROM api_tokens", [])).await?;
    row.map_or(Ok(0), |mut row| row.count())
}

/// Forgets the token of that name; whether there was one.
pub async fn revoke(db: &Db, name: &str) -> Result<bool, Error> {
    let sql = "DELETE FROM api_tokens WHERE name_hash = ?";
    Ok(db.execute(Statement::new(sql, [name_hash(db, name).into()])).await?.rows_affected > 0)
}

/// Notes a use, without waiting for the commit.
pub async fn touch(db: &Db, name: &str, now_ms: i64) -> Result<(), Error> {
    let sql = "UPDATE api_tokens SET used_at_ms = ? WHERE name_hash = ?";
    db.submit(vec![Statement::new(sql, [now_ms.into(), name_hash(db, name).into()])]).await
}

fn name_hash(db: &Db, name: &str) -> Hash {
    db.keys().deployment().hash(Kind::TokenName, &[name.as_bytes()])
}

fn secret_hash(db: &Db, secret: &[u8]) -> Hash {
    db.keys().deployment().hash(Kind::TokenSecret, &[secret])
}

fn place(secret: Hash) -> Place {
    Place::hashed(Table::ApiTokens, AccountId(0), secret)
}

fn read(db: &Db, mut row: Row) -> Result<ApiToken, Error> {
    let hash = Hash::read(&mut row)?;
    let (created_at_ms, expires_at_ms, used_at_ms) = (row.int()?, row.opt_int()?, row.opt_int()?);
    let mut opened = db.keys().deployment().open(place(hash), row.blob()?)?;
    Ok(ApiToken { name: opened.text()?, scopes: opened.text()?, created_at_ms, expires_at_ms, used_at_ms })
}
