//! Nodes of accounts and the items published to them (XEP-0060, XEP-0163).
//!
//! The server serialises the changes of one account. An item's [`ArchiveId`] says
//! when it was published, and so its order among those of its node. What a
//! configuration means is the server's affair: here it is names and values.

use crate::{
    AccountId, ArchiveId, Db, Error, Row, Statement, Value,
    limits::PUBSUB_ITEMS_PAGE_MAX,
    seal::{DataKey, Fields, Hash, Kind, Opened, Place, Table},
    text_list,
};

/// Names and values, in order; a name may come more than once.
pub type Pairs = Vec<(String, String)>;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Its name (NodeID).
    pub name: String,
    /// Its configuration: fields and values of `pubsub#node_config`.
    pub config: Pairs,
    /// Bare JIDs and their affiliations, the owner's not among them.
    pub affiliations: Pairs,
    /// JIDs that are subscribed, and the ids of their subscriptions.
    pub subscriptions: Pairs,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id, unique within its node.
    pub id: String,
    /// When it was published, and its place among the items.
    pub seq: ArchiveId,
    /// The JID that published it.
    pub publisher: String,
    /// The serialised payload; empty for an item without one.
    pub payload: String,
}

/// Which items of a node are read, oldest first in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The first ones published after this one.
    After(ArchiveId),
    /// The last ones published before this one.
    Before(ArchiveId),
}

/// Every node of an account, by name.
pub async fn nodes(db: &Db, owner: AccountId) -> Result<Vec<Node>, Error> {
    let sql = "SELECT node_hash, sealed FROM pubsub_nodes WHERE owner = ?";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let rows = db.query(Statement::new(sql, [owner.into()])).await?;
    let open = |mut row: Row| {
        let hash = Hash::read(&mut row)?;
        read_node(key.open(node_place(owner, hash), row.blob()?)?)
    };
    let mut nodes = rows.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

/// Stores a node in place of the one of that name.
pub async fn store_node(db: &Db, owner: AccountId, node: &Node) -> Result<(), Error> {
    let key = db.expect_key(owner).await?;
    db.execute(upsert_node(&key, owner, node)?).await?;
    Ok(())
}

/// Removes a node with all its items.
pub async fn remove_node(db: &Db, owner: AccountId, name: &str) -> Result<(), Error> {
    let Some(key) = db.key(owner).await? else { return Ok(()) };
    let hash = node_hash(&key, name);
    let node = "DELETE FROM pubsub_nodes WHERE owner = ? AND node_hash = ?";
    let node = Statement::new(node, [owner.into(), hash.into()]);
    db.write(vec![delete_items(owner, hash), node]).await?;
    Ok(())
}

/// Stores an item in place of the one with its id, and with it the node if one is given; of the node's items the
/// newest `keep` stay, at least one.
pub async fn publish(
    db: &Db,
    owner: AccountId,
    (name, new_node): (&str, Option<&Node>),
    item: &Item,
    keep: u32,
) -> Result<(), Error> {
    let key = db.expect_key(owner).await?;
    let node = node_hash(&key, name);
    let mut batch = Vec::with_capacity(3);
    if let Some(new_node) = new_node {
        batch.push(upsert_node(&key, owner, new_node)?);
    }
    if keep <= 1 {
        let others = "DELETE FROM pubsub_items WHERE owner = ? AND node_hash = ? AND item_hash <> ?";
        batch.push(Statement::new(others, [owner.into(), node.into(), item_hash(&key, name, &item.id).into()]));
    }
    let upsert = "\
INSERT INTO pubsub_items (owner, item_hash, node_hash, seq, bytes, sealed) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, item_hash) DO UPDATE SET seq = excluded.seq, bytes = excluded.bytes, sealed = excluded.sealed";
    batch.push(Statement::new(upsert, item_columns(&key, owner, node, (name, item))?));
    if keep <= 1 {
        db.write(batch).await?;
        return Ok(());
    }
    let oldest = "\
SELECT seq FROM pubsub_items WHERE owner = ? AND node_hash = ? ORDER BY seq DESC LIMIT 1 OFFSET ?";
    batch.push(Statement::new(oldest, [owner.into(), node.into(), keep.into()]));
    let surplus = db.write(batch).await?.pop().unwrap_or_default().into_row();
    if let Some(mut surplus) = surplus {
        let sql = "DELETE FROM pubsub_items WHERE owner = ? AND node_hash = ? AND seq <= ?";
        db.execute(Statement::new(sql, [owner.into(), node.into(), surplus.int()?.into()])).await?;
    }
    Ok(())
}

/// Removes items by their ids; says of each, in order, whether it was there.
pub async fn retract(db: &Db, owner: AccountId, name: &str, ids: &[String]) -> Result<Vec<bool>, Error> {
    let sql = "DELETE FROM pubsub_items WHERE owner = ? AND item_hash = ?";
    let Some(key) = db.key(owner).await? else { return Ok(vec![false; ids.len()]) };
    let remove = |id: &String| Statement::new(sql, [owner.into(), item_hash(&key, name, id).into()]);
    let outcomes = db.write(ids.iter().map(remove).collect()).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.rows_affected > 0).collect())
}

/// Removes all items of a node.
pub async fn purge(db: &Db, owner: AccountId, name: &str) -> Result<(), Error> {
    let Some(key) = db.key(owner).await? else { return Ok(()) };
    db.execute(delete_items(owner, node_hash(&key, name))).await?;
    Ok(())
}

/// The item with that id.
pub async fn item(db: &Db, owner: AccountId, name: &str, id: &str) -> Result<Option<Item>, Error> {
    let sql = "SELECT item_hash, seq, sealed FROM pubsub_items WHERE owner = ? AND item_hash = ?";
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let hash = item_hash(&key, name, id);
    let row = db.query_one(Statement::new(sql, [owner.into(), hash.into()])).await?;
    row.map(|row| read_item(&key, owner, row)).transpose()
}

/// At most `max` items of a node, oldest first; never more than [`PUBSUB_ITEMS_PAGE_MAX`].
pub async fn items(db: &Db, owner: AccountId, name: &str, range: Range, max: u32) -> Result<Vec<Item>, Error> {
    let after = "\
SELECT item_hash, seq, sealed FROM pubsub_items WHERE owner = ? AND node_hash = ? AND seq > ? ORDER BY seq LIMIT ?";
    let before = "\
SELECT item_hash, seq, sealed FROM pubsub_items WHERE owner = ? AND node_hash = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
    let Some(key) = db.key(owner).await? else { return Ok(Vec::new()) };
    let (sql, from) = match range {
        Range::After(from) => (after, from),
        Range::Before(from) => (before, from),
    };
    let params = [owner.into(), node_hash(&key, name).into(), from.into(), max.min(PUBSUB_ITEMS_PAGE_MAX).into()];
    let rows = db.query(Statement::new(sql, params)).await?;
    let mut items = rows.into_iter().map(|row| read_item(&key, owner, row)).collect::<Result<Vec<_>, _>>()?;
    if matches!(range, Range::Before(_)) {
        items.reverse();
    }
    Ok(items)
}

/// The item that was published last.
pub async fn last(db: &Db, owner: AccountId, name: &str) -> Result<Option<Item>, Error> {
    Ok(items(db, owner, name, Range::Before(ArchiveId::MAX), 1).await?.pop())
}

/// How many items of a node were published before this one, and how many there are.
pub async fn count(db: &Db, owner: AccountId, name: &str, before: ArchiveId) -> Result<(u64, u64), Error> {
    let sql = "SELECT COUNT(*) FROM pubsub_items WHERE owner = ? AND node_hash = ? AND seq < ?";
    let Some(key) = db.key(owner).await? else { return Ok((0, 0)) };
    let hash = node_hash(&key, name);
    let counted = async |before: ArchiveId| {
        let row = db.query_one(Statement::new(sql, [owner.into(), hash.into(), before.into()])).await?;
        row.map_or(Ok(0), |mut row| row.count())
    };
    Ok((counted(before).await?, counted(ArchiveId::MAX).await?))
}

/// How many bytes the payloads of the account's items have.
pub async fn bytes(db: &Db, owner: AccountId) -> Result<u64, Error> {
    let sql = "SELECT COALESCE(SUM(bytes), 0) FROM pubsub_items WHERE owner = ?";
    db.query_one(Statement::new(sql, [owner.into()])).await?.map_or(Ok(0), |mut row| row.count())
}

fn upsert_node(key: &DataKey, owner: AccountId, node: &Node) -> Result<Statement, Error> {
    let sql = "\
INSERT INTO pubsub_nodes (owner, node_hash, sealed) VALUES (?, ?, ?)
ON CONFLICT (owner, node_hash) DO UPDATE SET sealed = excluded.sealed";
    let hash = node_hash(key, &node.name);
    let fields = Fields::new(node.name.len().saturating_add(256)).text(&node.name);
    let lists = [&node.config, &node.affiliations, &node.subscriptions];
    let fields = lists.into_iter().fold(fields, |fields, pairs| fields.text(&write_pairs(pairs)));
    Ok(Statement::new(sql, [owner.into(), hash.into(), key.seal(node_place(owner, hash), fields)?]))
}

fn delete_items(owner: AccountId, node: Hash) -> Statement {
    let sql = "DELETE FROM pubsub_items WHERE owner = ? AND node_hash = ?";
    Statement::new(sql, [owner.into(), node.into()])
}

/// The columns owner, item_hash, node_hash, seq, bytes, sealed.
fn item_columns(key: &DataKey, owner: AccountId, node: Hash, (name, item): (&str, &Item)) -> Result<[Value; 6], Error> {
    let hash = item_hash(key, name, &item.id);
    let fields = Fields::new(item.payload.len().saturating_add(item.id.len()).saturating_add(item.publisher.len()))
        .text(&item.id)
        .text(&item.publisher)
        .text(&item.payload);
    let bytes = i64::try_from(item.payload.len()).unwrap_or(i64::MAX);
    let sealed = key.seal(item_place(owner, hash), fields)?;
    Ok([owner.into(), hash.into(), node.into(), item.seq.into(), bytes.into(), sealed])
}

fn read_item(key: &DataKey, owner: AccountId, mut row: Row) -> Result<Item, Error> {
    let hash = Hash::read(&mut row)?;
    let seq = ArchiveId::from_i64(row.int()?).ok_or_else(|| Error::Corrupt("a negative id".into()))?;
    let mut opened = key.open(item_place(owner, hash), row.blob()?)?;
    Ok(Item { id: opened.text()?, seq, publisher: opened.text()?, payload: opened.text()? })
}

fn read_node(mut opened: Opened) -> Result<Node, Error> {
    Ok(Node {
        name: opened.text()?,
        config: read_pairs(&opened.text()?)?,
        affiliations: read_pairs(&opened.text()?)?,
        subscriptions: read_pairs(&opened.text()?)?,
    })
}

fn write_pairs(pairs: &[(String, String)]) -> String {
    let flat: Vec<String> = pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
    text_list::encode(&flat)
}

fn read_pairs(text: &str) -> Result<Pairs, Error> {
    let mut flat = text_list::decode(text)?.into_iter();
    let mut pairs = Pairs::new();
    while let Some(name) = flat.next() {
        let value = flat.next().ok_or_else(|| Error::Corrupt("a name without a value".into()))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn node_hash(key: &DataKey, name: &str) -> Hash {
    key.hash(Kind::PubsubNode, &[name.as_bytes()])
}

// No name or id holds a zero byte: XML has none.
fn item_hash(key: &DataKey, node: &str, id: &str) -> Hash {
    key.hash(Kind::PubsubItem, &[node.as_bytes(), b"\0", id.as_bytes()])
}

fn node_place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::PubsubNodes, owner, hash)
}

fn item_place(owner: AccountId, hash: Hash) -> Place {
    Place::hashed(Table::PubsubItems, owner, hash)
}
