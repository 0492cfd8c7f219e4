//! Retrieving items (XEP-0060 §6.5): by their ids, the newest ones, or a page (XEP-0059).

use storage::pubsub::{self, Item, Range};
use storage::{AccountId, ArchiveId, Db};
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::pubsub::Items;
use xmpp::xep::rsm::{self, Anchor};

use super::events::item_xml;
use super::node::Nodes;
use super::{Failure, access};
use crate::accounts::Account;
use crate::ext::Request;
use crate::host::Host;

/// Items read from the database at a time.
const CHUNK_ITEMS: u32 = 64;

/// Answers `<items/>`.
pub(super) async fn retrieve(request: &Request<'_>, account: &Account, wanted: Items) -> Result<Xml, Failure> {
    let host = request.host;
    let limits = &host.config.limits;
    let relation = access::relation(host, account, request.from).await?;
    let from = request.from.to_bare();
    let allowed = |nodes: &Nodes| {
        // profanity 0.13 publishes its OMEMO devices only once it has read this number.
        let no_node = || StanzaError { code: Some(404), ..StanzaError::new(Condition::ItemNotFound) };
        let node = nodes.find(&wanted.node).ok_or_else(no_node)?;
        access::may_read(account, node, &from, &relation)
    };
    account.read_nodes(&host.db, allowed).await??;
    let reader =
        Reader { db: &host.db, owner: account.id, node: &wanted.node, bytes_max: limits.pubsub_page_bytes_max };
    let (items, set) = if wanted.ids.is_empty() {
        reader.page(&wanted, limits.pubsub_items_max).await?
    } else {
        (reader.by_ids(&wanted.ids, limits.pubsub_items_max).await?, None)
    };
    let list = Xml::bare("items").attr("node", &wanted.node).children(items.iter().map(|item| item_xml(item, true)));
    Ok(Xml::new("pubsub", ns::PUBSUB).child(list).child_opt(set))
}

/// Every item of a node, oldest first.
pub(super) async fn all(host: &Host, account: &Account, name: &str) -> Result<Vec<Item>, storage::Error> {
    every(&host.db, account.id, name, host.config.limits.pubsub_items_max).await
}

/// At most `items_max` items of a node, oldest first.
pub(super) async fn every(
    db: &Db,
    owner: AccountId,
    name: &str,
    items_max: usize,
) -> Result<Vec<Item>, storage::Error> {
    let mut items: Vec<Item> = Vec::new();
    loop {
        let after = items.last().map_or(ArchiveId::MIN, |item| item.seq);
        let chunk = pubsub::items(db, owner, name, Range::After(after), CHUNK_ITEMS).await?;
        let is_last = chunk.is_empty();
        items.extend(chunk);
        if is_last || items.len() >= items_max {
            return Ok(items);
        }
    }
}

struct Reader<'a> {
    db: &'a Db,
    owner: AccountId,
    node: &'a str,
    bytes_max: usize,
}

impl Reader<'_> {
    /// Those that are there, in the order asked for.
    async fn by_ids(&self, ids: &[String], ids_max: usize) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let mut room = self.bytes_max;
        for id in ids.iter().take(ids_max) {
            let Some(item) = pubsub::item(self.db, self.owner, self.node, id).await? else { continue };
            room = match room.checked_sub(item.payload.len()) {
                Some(left) => left,
                None if items.is_empty() => 0,
                None => break,
            };
            items.push(item);
        }
        // XEP-0060 §6.5.9.12
        if items.is_empty() { Err(Condition::ItemNotFound.into()) } else { Ok(items) }
    }

    /// A page, and what describes it: always when it was asked for, else when something is left out.
    async fn page(&self, wanted: &Items, items_max: usize) -> Result<(Vec<Item>, Option<Xml>), Failure> {
        let all = u32::try_from(items_max).unwrap_or(u32::MAX);
        let newest = wanted.max_items.unwrap_or(all).min(all);
        let (range, max) = match &wanted.page {
            None => (Range::Before(ArchiveId::MAX), newest),
            Some(page) => {
                let max = page.max.map_or(newest, |max| u32::try_from(max).unwrap_or(u32::MAX)).min(newest);
                let range = match &page.anchor {
                    Anchor::First => Range::After(ArchiveId::MIN),
                    Anchor::Last => Range::Before(ArchiveId::MAX),
                    Anchor::After(id) => Range::After(self.place_of(id).await?),
                    Anchor::Before(id) => Range::Before(self.place_of(id).await?),
                    Anchor::Index(_) => return Err(Condition::FeatureNotImplemented.into()),
                };
                (range, max)
            }
        };
        let (items, is_cut) = self.read(range, max).await?;
        if wanted.page.is_none() && !is_cut {
            return Ok((items, None));
        }
        let first = items.first().map_or(ArchiveId::MIN, |item| item.seq);
        let (before, count) = pubsub::count(self.db, self.owner, self.node, first).await?;
        let id = |item: Option<&Item>| item.map(|item| item.id.clone());
        let (first, last) = (id(items.first()), id(items.last()));
        let index = first.is_some().then_some(before);
        Ok((items, Some(rsm::page(first.as_deref(), last.as_deref(), index, Some(count)))))
    }

    async fn place_of(&self, id: &str) -> Result<ArchiveId, Failure> {
        let item = pubsub::item(self.db, self.owner, self.node, id).await?;
        Ok(item.ok_or_else(|| StanzaError::new(Condition::ItemNotFound))?.seq)
    }

    /// At most `max` items, oldest first, and whether fewer were read for the sake of their size.
    async fn read(&self, mut range: Range, max: u32) -> Result<(Vec<Item>, bool), Failure> {
        let mut read: Vec<Item> = Vec::new();
        let mut room = self.bytes_max;
        loop {
            let missing = max.saturating_sub(u32::try_from(read.len()).unwrap_or(u32::MAX)).min(CHUNK_ITEMS);
            if missing == 0 {
                return Ok((in_order(read, range), false));
            }
            let mut chunk = pubsub::items(self.db, self.owner, self.node, range, missing).await?;
            let is_last = u32::try_from(chunk.len()).unwrap_or(u32::MAX) < missing;
            if let Range::Before(_) = range {
                chunk.reverse();
            }
            for item in chunk {
                match room.checked_sub(item.payload.len()) {
                    Some(left) => room = left,
                    None if read.is_empty() => room = 0,
                    None => return Ok((in_order(read, range), true)),
                }
                range = match range {
                    Range::After(_) => Range::After(item.seq),
                    Range::Before(_) => Range::Before(item.seq),
                };
                read.push(item);
            }
            if is_last {
                return Ok((in_order(read, range), false));
            }
        }
    }
}

fn in_order(mut items: Vec<Item>, range: Range) -> Vec<Item> {
    if let Range::Before(_) = range {
        items.reverse();
    }
    items
}
