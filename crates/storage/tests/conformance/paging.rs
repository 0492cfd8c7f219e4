//! Random messages, filters and pages, against a plain list.

use proptest::{collection::vec, option, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use storage::{
    AccountId, ArchiveId, Db,
    archive::{self, Before, Entry, Filter, Page, Paging, Stored, With},
};

use crate::cast::{NOW_MS, account, id, message};

const CASES: usize = 60;
const QUERIES: usize = 12;

fn peer() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["bob@example.org", "carol@example.org", "example.net"]).prop_map(str::to_owned)
}

fn resource() -> impl Strategy<Value = Option<String>> {
    option::of(prop::sample::select(vec!["phone", "desk"]).prop_map(str::to_owned))
}

fn mailbox() -> impl Strategy<Value = Vec<(i64, String, Option<String>)>> {
    let seconds = prop::collection::btree_set(0_i64..60, 0..40);
    seconds.prop_flat_map(|seconds| {
        let len = seconds.len();
        (Just(seconds), vec((peer(), resource()), len)).prop_map(|(seconds, peers)| {
            seconds.into_iter().zip(peers).map(|(second, (peer, resource))| (second, peer, resource)).collect()
        })
    })
}

/// Seconds near the messages, one past each end.
fn seconds() -> std::ops::Range<i64> {
    -1..61
}

fn filter() -> impl Strategy<Value = Filter> {
    let with = option::of((peer(), resource()).prop_map(|(bare, resource)| With { bare, resource }));
    let time = || option::of(seconds().prop_map(|second| NOW_MS + second * 1000));
    let named = || option::weighted(0.2, seconds().prop_map(id));
    let ids = prop_oneof![3 => Just(vec![]), 1 => vec(seconds().prop_map(id), 1..4)];
    (with, time(), time(), named(), named(), ids).prop_map(|(with, start_ms, end_ms, after_id, before_id, ids)| {
        Filter { with, start_ms, end_ms, after_id, before_id, ids }
    })
}

fn paging() -> impl Strategy<Value = Paging> {
    let named = || seconds().prop_map(id);
    let before = prop_oneof![Just(None), Just(Some(Before::End)), named().prop_map(|id| Some(Before::Id(id)))];
    (0_u32..12, option::weighted(0.3, named()), before, any::<bool>()).prop_map(|(max, after, before, count)| Paging {
        max,
        after,
        before,
        count,
    })
}

fn expected(mailbox: &[Stored], filter: &Filter, paging: &Paging) -> Option<Page> {
    let before = if let Some(Before::Id(id)) = paging.before { Some(id) } else { None };
    let named = [filter.after_id, filter.before_id, paging.after, before];
    let exists = |id: &ArchiveId| mailbox.iter().any(|stored| stored.id == *id);
    if !named.iter().flatten().chain(&filter.ids).all(exists) {
        return None;
    }
    let all: Vec<&Stored> = mailbox
        .iter()
        .filter(|stored| filter.with.as_ref().is_none_or(|with| with.bare == stored.peer))
        .filter(|stored| {
            let wanted = filter.with.as_ref().and_then(|with| with.resource.as_ref());
            wanted.is_none() || wanted == stored.peer_resource.as_ref()
        })
        .filter(|stored| filter.start_ms.is_none_or(|start| stored.id.at_ms() >= start))
        .filter(|stored| filter.end_ms.is_none_or(|end| stored.id.at_ms() <= end))
        .filter(|stored| filter.after_id.is_none_or(|id| stored.id > id))
        .filter(|stored| filter.before_id.is_none_or(|id| stored.id < id))
        .filter(|stored| filter.ids.is_empty() || filter.ids.contains(&stored.id))
        .collect();
    let wanted: Vec<&Stored> = all
        .iter()
        .copied()
        .filter(|stored| paging.after.is_none_or(|id| stored.id > id))
        .filter(|stored| before.is_none_or(|id| stored.id < id))
        .collect();
    let excess = wanted.len().saturating_sub(usize::try_from(paging.max).unwrap());
    let backwards = paging.before.is_some() && paging.after.is_none();
    let cut = if backwards { &wanted[excess..] } else { &wanted[..wanted.len() - excess] };
    let index = cut.first().map(|first| all.iter().filter(|stored| stored.id < first.id).count() as u64);
    Some(Page {
        messages: cut.iter().copied().cloned().collect(),
        complete: excess == 0,
        count: paging.count.then_some(all.len() as u64),
        index: index.filter(|_| paging.count),
    })
}

async fn fill(db: &Db, owner: AccountId, mailbox: Vec<(i64, String, Option<String>)>) -> Vec<Stored> {
    let entries: Vec<_> = mailbox
        .into_iter()
        .map(|(second, peer, peer_resource)| Entry { peer, peer_resource, ..message(owner, id(second)) })
        .collect();
    archive::append(db, entries.clone()).await.unwrap();
    let stored = entries.into_iter().map(|entry| Stored {
        id: entry.id,
        peer: entry.peer,
        peer_resource: entry.peer_resource,
        direction: entry.direction,
        stanza: entry.stanza,
    });
    stored.collect()
}

pub async fn every_page_is_what_a_plain_list_would_give(db: Db) {
    let mut runner = TestRunner::default();
    let mut found = 0;
    for case in 0..CASES {
        let owner = account(&db, &format!("owner-{case}")).await;
        let messages = mailbox().new_tree(&mut runner).unwrap().current();
        let mailbox = fill(&db, owner, messages).await;
        for _ in 0..QUERIES {
            let (filter, paging) = (filter(), paging()).new_tree(&mut runner).unwrap().current();
            let page = archive::page(&db, owner, &filter, &paging).await.unwrap();
            found += usize::from(page.is_some());
            assert_eq!(page, expected(&mailbox, &filter, &paging), "{filter:?} {paging:?} in {mailbox:?}");
        }
    }
    assert!(found > CASES * QUERIES / 8, "too few queries found their messages: {found}");
}
