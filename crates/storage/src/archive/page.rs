//! Pages of an archive: the filters of XEP-0313 §4.1 and the paging of XEP-0059.

use super::{Stored, by_ids, exists};
use crate::{
    AccountId, ArchiveId, Db, Error, Statement, Value, limits,
    seal::{DataKey, Hash},
};

/// The other side of a conversation (XEP-0313 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct With {
    /// Normalised bare JID.
    pub bare: String,
    /// Only messages with this resource; `None` for any.
    pub resource: Option<String>,
}

/// Which messages of an archive are meant; the default is all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only with this peer.
    pub with: Option<With>,
    /// Archived at this time or later, Unix milliseconds.
    pub start_ms: Option<i64>,
    /// Archived at this time or earlier, Unix milliseconds.
    pub end_ms: Option<i64>,
    /// After this message, which must exist.
    pub after_id: Option<ArchiveId>,
    /// Before this message, which must exist.
    pub before_id: Option<ArchiveId>,
    /// Only these messages, which must exist; at most
    /// [`QUERY_IDS_MAX`](limits::QUERY_IDS_MAX). Empty for any.
    pub ids: Vec<ArchiveId>,
}

/// The `<before/>` of a result set request (XEP-0059 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Empty: the last page.
    End,
    /// The page before this message, which must exist.
    Id(ArchiveId),
}

/// Which page of the messages is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Messages at most; 0 asks only for the count. Values above
    /// [`PAGE_MESSAGES_MAX`](limits::PAGE_MESSAGES_MAX) mean that.
    pub max: u32,
    /// The page after this message, which must exist.
    pub after: Option<ArchiveId>,
    /// Pages backwards, unless `after` is there too.
    pub before: Option<Before>,
    /// Count all messages that the filter lets through: costs a scan of their index.
    pub count: bool,
}

impl Paging {
    /// The first page, without a count.
    pub fn first(max: u32) -> Self {
        Self { max, after: None, before: None, count: false }
    }

    /// The last page, without a count.
    pub fn last(max: u32) -> Self {
        Self { before: Some(Before::End), ..Self::first(max) }
    }

    pub(super) fn backwards(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// Part of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The messages in the order of their ids, also when paging backwards.
    pub messages: Vec<Stored>,
    /// Nothing more follows in the direction of the paging.
    pub complete: bool,
    /// Messages the filter lets through, if asked for.
    pub count: Option<u64>,
    /// How many of those are before the first of the page, if asked for.
    pub index: Option<u64>,
}

/// A page of the owner's archive, or `None` if a message that the query names is
/// not in it (`item-not-found`).
pub async fn page(db: &Db, owner: AccountId, filter: &Filter, paging: &Paging) -> Result<Option<Page>, Error> {
    let before = match paging.before {
        Some(Before::Id(id)) => Some(id),
        Some(Before::End) | None => None,
    };
    for named in [filter.after_id, filter.before_id, paging.after, before].into_iter().flatten() {
        if !exists(db, owner, named).await? {
            return Ok(None);
        }
    }
    // Whoever is gone has no messages.
    let Some(key) = db.key(owner).await? else {
        return Ok(Some(Page { complete: true, count: paging.count.then_some(0), ..Page::default() }));
    };
    let with = filter.with.as_ref().map(|with| WithHash::of(&key, with));
    if !filter.ids.is_empty() {
        return by_ids::page(db, (owner, &key), filter, with, paging).await;
    }
    let all = Span::of(filter);
    let wanted = all.within(paging);
    let max = paging.max.min(limits::PAGE_MESSAGES_MAX);
    // One more than asked for tells whether this is all.
    let select = select(owner, with, wanted, paging.backwards(), max.saturating_add(1));
    let rows = db.query(select).await?;
    let mut messages = rows.into_iter().map(|row| Stored::read(&key, owner, row)).collect::<Result<Vec<_>, _>>()?;
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let complete = messages.len() <= max;
    messages.truncate(max);
    if paging.backwards() {
        messages.reverse();
    }
    let mut page = Page { messages, complete, count: None, index: None };
    if paging.count {
        page.count = Some(count(db, owner, with, all).await?);
        if let Some(first) = page.messages.first() {
            let earlier = Span { last: first.id.previous(), ..all };
            page.index = Some(count(db, owner, with, earlier).await?);
        }
    }
    Ok(Some(page))
}

/// The other side of a conversation as the index knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithHash {
    pub(super) bare: Hash,
    pub(super) full: Option<Hash>,
}

impl WithHash {
    pub(super) fn of(key: &DataKey, With { bare, resource }: &With) -> Self {
        let full = resource.as_deref().map(|resource| key.full_jid(bare, resource));
        Self { bare: key.jid(bare), full }
    }
}

/// A range of ids, both ends included; every bound of a query becomes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    first: ArchiveId,
    last: ArchiveId,
}

impl Span {
    pub(super) fn of(filter: &Filter) -> Self {
        let first = filter.start_ms.map_or(ArchiveId::MIN, ArchiveId::first_at);
        // No message is older than the epoch.
        let last = match filter.end_ms {
            Some(ms) if ms < 0 => ArchiveId::MIN,
            Some(ms) => ArchiveId::last_at(ms),
            None => ArchiveId::MAX,
        };
        Self { first, last }.narrowed(filter.after_id, filter.before_id)
    }

    pub(super) fn within(self, paging: &Paging) -> Self {
        let before = match paging.before {
            Some(Before::Id(id)) => Some(id),
            Some(Before::End) | None => None,
        };
        self.narrowed(paging.after, before)
    }

    pub(super) fn contains(self, id: ArchiveId) -> bool {
        self.first <= id && id <= self.last
    }

    fn narrowed(self, after: Option<ArchiveId>, before: Option<ArchiveId>) -> Self {
        Self {
            first: after.map_or(self.first, |id| self.first.max(id.next())),
            last: before.map_or(self.last, |id| self.last.min(id.previous())),
        }
    }
}

macro_rules! messages {
    ($peer:literal, $order:literal) => {
        concat!(
            "SELECT id, direction, sealed FROM archive WHERE owner = ?",
            $peer,
            " AND id >= ? AND id <= ? ORDER BY id",
            $order,
            " LIMIT ?"
        )
    };
}

macro_rules! counted {
    ($peer:literal) => {
        concat!("SELECT COUNT(*) FROM archive WHERE owner = ?", $peer, " AND id >= ? AND id <= ?")
    };
}

pub(super) fn select(owner: AccountId, with: Option<WithHash>, span: Span, backwards: bool, limit: u32) -> Statement {
    let sql = match (with, backwards) {
        (None, false) => messages!("", ""),
        (None, true) => messages!("", " DESC"),
        (Some(WithHash { full: None, .. }), false) => messages!(" AND peer_hash = ?", ""),
        (Some(WithHash { full: None, .. }), true) => messages!(" AND peer_hash = ?", " DESC"),
        (Some(WithHash { full: Some(_), .. }), false) => messages!(" AND peer_hash = ? AND full_hash = ?", ""),
        (Some(WithHash { full: Some(_), .. }), true) => messages!(" AND peer_hash = ? AND full_hash = ?", " DESC"),
    };
    let mut params = params(owner, with, span);
    params.push(limit.into());
    Statement::new(sql, params)
}

pub(super) fn select_count(owner: AccountId, with: Option<WithHash>, span: Span) -> Statement {
    let sql = match with {
        None => counted!(""),
        Some(WithHash { full: None, .. }) => counted!(" AND peer_hash = ?"),
        Some(WithHash { full: Some(_), .. }) => counted!(" AND peer_hash = ? AND full_hash = ?"),
    };
    Statement::new(sql, params(owner, with, span))
}

async fn count(db: &Db, owner: AccountId, with: Option<WithHash>, span: Span) -> Result<u64, Error> {
    db.query_one(select_count(owner, with, span)).await?.map_or(Ok(0), |mut row| row.count())
}

fn params(owner: AccountId, with: Option<WithHash>, span: Span) -> Vec<Value> {
    let mut params = Vec::with_capacity(6);
    params.push(owner.into());
    if let Some(with) = with {
        params.push(with.bare.into());
        params.extend(with.full.map(Value::from));
    }
    params.extend([span.first.into(), span.last.into()]);
    params
}
