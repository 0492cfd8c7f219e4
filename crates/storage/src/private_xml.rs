//! XML that clients keep for themselves (XEP-0049): one element for each name
//! and namespace. How much, the server limits.

use crate::{AccountId, Db, Error, Statement};

/// An element and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateXml {
    /// The element's namespace.
    pub namespace: String,
    /// The element's local name.
    pub name: String,
    /// The serialised element, with its namespace declarations.
    pub xml: String,
}

/// The serialised element that was stored under this key.
pub async fn load(db: &Db, owner: AccountId, namespace: &str, name: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT xml FROM private_xml WHERE owner = ? AND namespace = ? AND name = ?";
    let statement = Statement::new(sql, [owner.into(), namespace.into(), name.into()]);
    db.query_one(statement).await?.map(|mut row| row.text()).transpose()
}

/// All serialised elements that are stored.
pub async fn list(db: &Db, owner: AccountId) -> Result<Vec<String>, Error> {
    let sql = "SELECT xml FROM private_xml WHERE owner = ? ORDER BY namespace, name";
    let rows = db.query(Statement::new(sql, [owner.into()])).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// Stores elements, all or none, in place of what was under their keys.
pub async fn store(db: &Db, owner: AccountId, elements: Vec<PrivateXml>) -> Result<(), Error> {
    let sql = "\
INSERT INTO private_xml (owner, namespace, name, xml) VALUES (?, ?, ?, ?)
ON CONFLICT (owner, namespace, name) DO UPDATE SET xml = excluded.xml";
    if elements.is_empty() {
        return Ok(());
    }
    let batch = elements.into_iter().map(|element| {
        Statement::new(sql, [owner.into(), element.namespace.into(), element.name.into(), element.xml.into()])
    });
    db.write(batch.collect()).await?;
    Ok(())
}

/// How many bytes the account's elements have, for the server's limit.
pub async fn bytes(db: &Db, owner: AccountId) -> Result<u64, Error> {
    let sql = "SELECT COALESCE(SUM(OCTET_LENGTH(xml)), 0) FROM private_xml WHERE owner = ?";
    db.query_one(Statement::new(sql, [owner.into()])).await?.map_or(Ok(0), |mut row| row.count())
}
