//! The archive, apart from its paging.

use storage::{
    AccountId, ArchiveId, Db, accounts,
    archive::{self, Before, Direction, Entry, Filter, Paging, With},
    limits::{ARCHIVE_MARK_MS, PURGE_STEP_OWNERS, PURGE_STEP_ROWS, QUERY_IDS_MAX},
};

use crate::cast::{NOW_MS, account, id, message};

async fn ids(db: &Db, owner: AccountId) -> Vec<ArchiveId> {
    let page = archive::page(db, owner, &Filter::default(), &Paging::first(1000)).await.unwrap().unwrap();
    page.messages.into_iter().map(|stored| stored.id).collect()
}

pub async fn each_owner_has_a_copy_of_its_own(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let received = Entry { peer: "alice@example.org".into(), peer_resource: None, ..message(bob, id(1)) };
    let sent = Entry { direction: Direction::Sent, ..message(alice, id(1)) };
    let nowhere = Entry { archived: false, ..message(alice, id(2)) };
    archive::append(&db, vec![sent.clone(), received, nowhere]).await.unwrap();
    let page = archive::page(&db, alice, &Filter::default(), &Paging::first(10)).await.unwrap().unwrap();
    assert_eq!(page.messages.len(), 1);
    let stored = &page.messages[0];
    assert_eq!(stored.stanza, sent.stanza);
    assert_eq!((stored.id, stored.direction), (id(1), Direction::Sent));
    assert_eq!((stored.peer.as_str(), stored.peer_resource.as_deref()), ("bob@example.org", Some("phone")));
    assert_eq!(ids(&db, bob).await, [id(1)]);
}

pub async fn an_id_is_stored_once_per_owner(db: Db) {
    let alice = account(&db, "alice").await;
    archive::append(&db, vec![message(alice, id(1))]).await.unwrap();
    let error = archive::append(&db, vec![message(alice, id(2)), message(alice, id(1))]).await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(ids(&db, alice).await, [id(1)]);
    assert!(archive::exists(&db, alice, id(1)).await.unwrap());
    assert!(!archive::exists(&db, alice, id(2)).await.unwrap());
}

pub async fn metadata_names_both_ends(db: Db) {
    let alice = account(&db, "alice").await;
    assert_eq!(archive::metadata(&db, alice).await.unwrap(), None);
    archive::append(&db, [5, 1, 9].map(|second| message(alice, id(second))).into()).await.unwrap();
    let (first, last) = archive::metadata(&db, alice).await.unwrap().unwrap();
    assert_eq!((first, last), (id(1), id(9)));
    assert_eq!(last.at_ms(), NOW_MS + 9000);
}

pub async fn the_newest_id_is_known_whoever_owns_it(db: Db) {
    assert_eq!(archive::newest(&db).await.unwrap(), None);
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let late = ArchiveId::from_i64(id(3).to_i64() + 1).unwrap();
    archive::append(&db, vec![message(alice, id(3)), message(alice, late)]).await.unwrap();
    let past_it = |newest: Option<ArchiveId>, id: ArchiveId| {
        let newest = newest.unwrap();
        assert!(newest >= id && newest.at_ms() <= id.at_ms() + ARCHIVE_MARK_MS, "{newest:?} {id:?}");
    };
    past_it(archive::newest(&db).await.unwrap(), late);
    let transient = Entry { archived: false, undelivered: true, ..message(bob, id(4)) };
    archive::append(&db, vec![transient.clone()]).await.unwrap();
    past_it(archive::newest(&db).await.unwrap(), id(4));
    // What failed with the note of it is noted with the next.
    archive::append(&db, vec![message(bob, id(6)), transient.clone()]).await.unwrap_err();
    archive::append(&db, vec![message(bob, id(6))]).await.unwrap();
    past_it(archive::newest(&db).await.unwrap(), id(6));
}

pub async fn what_is_for_an_account_that_is_gone_goes_with_it(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    accounts::delete(&db, bob).await.unwrap();
    archive::append(&db, vec![message(alice, id(1)), message(bob, id(1))]).await.unwrap();
    assert_eq!(ids(&db, alice).await, [id(1)]);
    assert!(ids(&db, bob).await.is_empty());
}

pub async fn a_query_that_names_an_unknown_message_finds_nothing(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    archive::append(&db, vec![message(alice, id(1)), message(bob, id(2))]).await.unwrap();
    let all = Filter::default();
    let first = Paging::first(10);
    let unknown = Some(id(2));
    for filter in [
        Filter { after_id: unknown, ..all.clone() },
        Filter { before_id: unknown, ..all.clone() },
        Filter { ids: vec![id(1), id(2)], ..all.clone() },
    ] {
        assert_eq!(archive::page(&db, alice, &filter, &first).await.unwrap(), None, "{filter:?}");
    }
    for paging in [Paging { after: unknown, ..first }, Paging { before: Some(Before::Id(id(2))), ..first }] {
        assert_eq!(archive::page(&db, alice, &all, &paging).await.unwrap(), None, "{paging:?}");
    }
}

pub async fn messages_are_fetched_by_their_ids(db: Db) {
    let alice = account(&db, "alice").await;
    archive::append(&db, (0..100).map(|second| message(alice, id(second))).collect()).await.unwrap();
    let filter = Filter { ids: [40, 3, 77, 3].map(id).into(), ..Filter::default() };
    let paging = Paging { count: true, ..Paging::last(2) };
    let page = archive::page(&db, alice, &filter, &paging).await.unwrap().unwrap();
    assert_eq!(page.messages.iter().map(|stored| stored.id).collect::<Vec<_>>(), [id(40), id(77)]);
    assert_eq!((page.complete, page.count, page.index), (false, Some(3), Some(1)));
    let many = Filter { ids: (0..=i64::try_from(QUERY_IDS_MAX).unwrap()).map(id).collect(), ..Filter::default() };
    assert!(archive::page(&db, alice, &many, &paging).await.is_err());
    let elsewhere = With { bare: "carol@example.org".into(), resource: None };
    let filter = Filter { with: Some(elsewhere), ..filter };
    assert!(archive::page(&db, alice, &filter, &paging).await.unwrap().unwrap().messages.is_empty());
}

pub async fn purging_spares_what_is_young_or_undelivered(db: Db) {
    let (alice, bob, carol) = (account(&db, "alice").await, account(&db, "bob").await, account(&db, "carol").await);
    let mut entries = Vec::new();
    for owner in [alice, bob, carol] {
        entries.extend((0..10).map(|second| Entry { undelivered: second == 3, ..message(owner, id(second)) }));
    }
    archive::append(&db, entries).await.unwrap();
    // 6 seconds of each, without the undelivered one.
    let mut purge = archive::Purge::before(NOW_MS + 6000);
    assert_eq!(purge.step(&db).await.unwrap(), Some(15));
    assert_eq!(purge.step(&db).await.unwrap(), None);
    for owner in [alice, bob, carol] {
        assert_eq!(ids(&db, owner).await, [3, 6, 7, 8, 9].map(id));
    }
}

pub async fn a_purge_goes_on_where_its_last_step_ended(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let step = i64::from(PURGE_STEP_ROWS);
    let of_alice = (0..step * 2 + 5).map(|second| message(alice, id(second)));
    let of_bob = (0..step).map(|second| Entry { undelivered: second == 1, ..message(bob, id(second)) });
    archive::append(&db, of_alice.chain(of_bob).collect()).await.unwrap();
    let mut purge = archive::Purge::before(NOW_MS + 1_000_000);
    let mut steps = Vec::new();
    while let Some(purged) = purge.step(&db).await.unwrap() {
        steps.push(i64::try_from(purged).unwrap());
    }
    // The second and the third account share a step; the undelivered one stays.
    assert_eq!(steps, [step, step, step, 4]);
    assert_eq!((ids(&db, alice).await, ids(&db, bob).await), (vec![], vec![id(1)]));
    // In one step of many accounts no more than some take part.
    let mut crowd = Vec::new();
    for number in 0..=i64::try_from(PURGE_STEP_OWNERS).unwrap() {
        crowd.push(message(account(&db, &format!("user{number}")).await, id(number)));
    }
    archive::append(&db, crowd).await.unwrap();
    let mut purge = archive::Purge::before(NOW_MS + 1_000_000);
    assert_eq!(purge.step(&db).await.unwrap(), Some(u64::try_from(PURGE_STEP_OWNERS).unwrap()));
    assert_eq!(purge.step(&db).await.unwrap(), Some(1));
    assert_eq!(purge.step(&db).await.unwrap(), None);
}

pub async fn an_owner_can_purge_everything_in_steps(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let total = i64::from(PURGE_STEP_ROWS) * 2 + 10;
    archive::append(&db, (0..total).map(|second| message(alice, id(second))).collect()).await.unwrap();
    archive::append(&db, vec![message(bob, id(1))]).await.unwrap();
    assert_eq!(
        archive::purge_owner(&db, alice, None, PURGE_STEP_ROWS + 5).await.unwrap(),
        u64::from(PURGE_STEP_ROWS) + 5
    );
    assert_eq!(archive::metadata(&db, alice).await.unwrap().unwrap().0, id(i64::from(PURGE_STEP_ROWS) + 5));
    assert_eq!(archive::purge_owner(&db, alice, None, 10_000).await.unwrap(), u64::from(PURGE_STEP_ROWS) + 5);
    assert_eq!(archive::metadata(&db, alice).await.unwrap(), None);
    assert_eq!(ids(&db, bob).await, [id(1)]);
}
