//! XML that clients keep for themselves (XEP-0049): one element for each name
//! and namespace. How much, the server limits.

use crate::{
    AccountId, Db, Error, Row, Statement, Value,
    seal::{DataKey, Fields, Hash, Kind, Opened, Place, Table},
};

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
    let sql = "SELECT sealed FROM private_xml WHERE owner = ? AND key_hash = ?";
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let hash = key_hash(&key, namespace, name);
    let Some(mut row) = db.query_one(Statement::new(sql, [owner.into(), hash.into()])).await? else { return Ok(None) };
    Ok(Some(read(key.open(place(owner, hash), row.blob()?)?)?.xml))
}

/// Every element of an account, by namespace and name.
pub async fn list(db: &Db, owner: AccountId) -> Result<Vec<PrivateXml>, Error> {
    let sql = "SELECT key_hash, sealed FROM private_xml WHERE owner = ?";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let rows = db.query(Statement::new(sql, [owner.into()])).await?;
    let open = |mut row: Row| {
        let hash = Hash::read(&mut row)?;
        read(key.open(place(owner, hash), row.blob()?)?)
    };
    let mut elements = rows.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    elements.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(elements)
}

/// Stores elements, all or none, in place of what was under their keys.
pub async fn store(db: &Db, owner: AccountId, elements: Vec<PrivateXml>) -> Result<(), Error> {
    let sql = "\
INSERT INTO private_xml (owner, key_hash, bytes, sealed) VALUES (?, ?, ?, ?)
ON CONFLICT (owner, key_hash) DO UPDATE SET bytes = excluded.bytes, sealed = excluded.sealed";
    if elements.is_empty() {
        return Ok(());
    }
    let key = db.expect_key(owner).await?;
    let batch = elements.iter().map(|element| Ok(Statement::new(sql, columns(&key, owner, element)?)));
    db.write(batch.collect::<Result<_, Error>>()?).await?;
    Ok(())
}

/// How many bytes the account's elements have, for the server's limit.
pub async fn bytes(db: &Db, owner: AccountId) -> Result<u64, Error> {
    let sql = "SELECT COALESCE(SUM(bytes), 0) FROM private_xml WHERE owner = ?";
    db.query_one(Statement::new(sql, [owner.into()])).await?.map_or(Ok(0), |mut row| row.count())
}

/// The columns owner, key_hash, bytes, sealed.
pub(crate) fn columns(key: &DataKey, owner: AccountId, element: &PrivateXml) -> Result<[Value; 4], Error> {
    let hash = key_hash(key, &element.namespace, &element.name);
    let fields = Fields::new(element.xml.len().saturating_add(element.namespace.len()))
        .text(&element.namespace)
        .text(&element.name)
        .text(&element.xml);
    let bytes = i64::try_from(element.xml.len()).unwrap_or(i64::MAX);
    Ok([owner.into(), hash.into(), bytes.into(), key.seal(place(owner, hash), fields)?])
}

// No name or namespace holds a zero byte: XML has none.
fn key_hash(key: &DataKey, namespace: &str, name: &str) -> Hash {
    key.hash(Kind::ElementName, &[namespace.as_bytes(), b"\0", name.as_bytes()])
}

fn place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::PrivateXml, owner, hash)
}

fn read(mut opened: Opened) -> Result<PrivateXml, Error> {
    Ok(PrivateXml { namespace: opened.text()?, name: opened.text()?, xml: opened.text()? })
}
