//! Pages of a query that lists the ids of its messages (XEP-0313 §4.1.4): the
//! list is short, so it is paged in memory.

use super::{
    Stored,
    page::{Filter, Page, Paging, Span, WithHash},
    read_id,
};
use crate::{
    AccountId, ArchiveId, Db, Error, Statement, Value,
    dialect::{ID_LIST_LEN, id_list},
    limits,
    seal::DataKey,
};

pub(super) const KEYS: &str =
    concat!("SELECT id, peer_hash, full_hash FROM archive WHERE owner = ? AND id IN (", id_list!(), ") ORDER BY id");
pub(super) const MESSAGES: &str =
    concat!("SELECT id, direction, sealed FROM archive WHERE owner = ? AND id IN (", id_list!(), ") ORDER BY id");

pub(super) async fn page(
    db: &Db,
    (owner, key): (AccountId, &DataKey),
    filter: &Filter,
    with: Option<WithHash>,
    paging: &Paging,
) -> Result<Option<Page>, Error> {
    let mut ids = filter.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > limits::QUERY_IDS_MAX {
        return Err(Error::Statement("more ids than an archive query may name".into()));
    }
    let span = Span::of(filter);
    let mut found = 0_usize;
    let mut matching = Vec::new();
    for chunk in ids.chunks(ID_LIST_LEN) {
        for mut row in db.query(select(KEYS, owner, chunk)).await? {
            found = found.saturating_add(1);
            let (id, bare, full) = (read_id(&mut row)?, row.blob()?, row.opt_blob()?);
            if span.contains(id) && with.is_none_or(|with| is_with(with, &bare, full.as_deref())) {
                matching.push(id);
            }
        }
    }
    if found < ids.len() {
        return Ok(None);
    }
    let (wanted, complete) = cut(&matching, span.within(paging), paging);
    let mut messages = Vec::with_capacity(wanted.len());
    for chunk in wanted.chunks(ID_LIST_LEN) {
        for row in db.query(select(MESSAGES, owner, chunk)).await? {
            messages.push(Stored::read(key, owner, row)?);
        }
    }
    let index = wanted.first().map(|first| matching.iter().filter(|id| *id < first).count());
    Ok(Some(Page {
        messages,
        complete,
        count: paging.count.then(|| to_count(matching.len())),
        index: index.filter(|_| paging.count).map(to_count),
    }))
}

/// The ids of the page, and whether it is complete.
fn cut(matching: &[ArchiveId], span: Span, paging: &Paging) -> (Vec<ArchiveId>, bool) {
    let mut wanted: Vec<_> = matching.iter().copied().filter(|id| span.contains(*id)).collect();
    let max = usize::try_from(paging.max.min(limits::PAGE_MESSAGES_MAX)).unwrap_or(usize::MAX);
    let excess = wanted.len().saturating_sub(max);
    if paging.backwards() {
        wanted.drain(..excess);
    } else {
        wanted.truncate(max);
    }
    (wanted, excess == 0)
}

fn is_with(with: WithHash, bare: &[u8], full: Option<&[u8]>) -> bool {
    with.bare.0 == bare && with.full.is_none_or(|wanted| full == Some(wanted.0.as_slice()))
}

pub(super) fn select(sql: &'static str, owner: AccountId, ids: &[ArchiveId]) -> Statement {
    let mut params: Vec<Value> = Vec::with_capacity(ID_LIST_LEN.saturating_add(1));
    params.push(owner.into());
    let padding = ids.last().copied().unwrap_or(ArchiveId::MIN);
    params.extend(ids.iter().copied().chain(std::iter::repeat(padding)).take(ID_LIST_LEN).map(Value::from));
    Statement::new(sql, params)
}

fn to_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
