//! Offline delivery.

use storage::{
    ArchiveId, Db,
    archive::{self, Entry, Filter, Paging},
    undelivered,
};

use crate::cast::{account, id, message};

async fn waiting(db: &Db, owner: storage::AccountId, after: Option<ArchiveId>, limit: u32) -> Vec<ArchiveId> {
    let page = undelivered::page(db, owner, after, limit).await.unwrap();
    page.into_iter().map(|stored| stored.id).collect()
}

/// What was submitted before is written once a write is.
async fn flush(db: &Db) {
    account(db, "somebody-else").await;
}

pub async fn messages_wait_in_order_until_cleared(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let mut entries: Vec<_> = [4, 2, 3, 1].map(|second| message(alice, id(second))).into();
    for entry in &mut entries {
        entry.undelivered = true;
        entry.archived = entry.id != id(2);
    }
    entries.push(Entry { undelivered: true, ..message(bob, id(1)) });
    archive::append(&db, entries).await.unwrap();
    assert_eq!(waiting(&db, alice, None, 3).await, [1, 2, 3].map(id));
    assert_eq!(waiting(&db, alice, Some(id(3)), 3).await, [id(4)]);
    assert_eq!(undelivered::count(&db, alice).await.unwrap(), 4);

    undelivered::clear(&db, alice, &[id(1), id(2)]).await.unwrap();
    undelivered::clear(&db, alice, &[]).await.unwrap();
    flush(&db).await;
    assert_eq!(waiting(&db, alice, None, 10).await, [3, 4].map(id));
    assert_eq!(undelivered::count(&db, bob).await.unwrap(), 1);
}

pub async fn a_transient_message_is_gone_once_delivered(db: Db) {
    let alice = account(&db, "alice").await;
    let entry = Entry { archived: false, undelivered: true, ..message(alice, id(1)) };
    archive::append(&db, vec![entry.clone()]).await.unwrap();
    let page = undelivered::page(&db, alice, None, 10).await.unwrap();
    assert_eq!(page.first().map(|stored| &stored.stanza), Some(&entry.stanza));
    let everything = archive::page(&db, alice, &Filter::default(), &Paging::first(10)).await.unwrap().unwrap();
    assert!(everything.messages.is_empty(), "not part of the archive");
    assert_eq!(archive::metadata(&db, alice).await.unwrap(), None);

    undelivered::clear(&db, alice, &[id(1)]).await.unwrap();
    flush(&db).await;
    assert_eq!(undelivered::count(&db, alice).await.unwrap(), 0);
    // Its row is gone too: the id is free.
    archive::append(&db, vec![entry]).await.unwrap();
}

pub async fn reading_the_archive_clears_only_what_is_in_it(db: Db) {
    let alice = account(&db, "alice").await;
    let entries =
        (1..=4).map(|second| Entry { undelivered: true, archived: second != 2, ..message(alice, id(second)) });
    archive::append(&db, entries.collect()).await.unwrap();
    undelivered::clear_archived(&db, alice, id(3)).await.unwrap();
    flush(&db).await;
    assert_eq!(waiting(&db, alice, None, 10).await, [2, 4].map(id));
}

pub async fn an_archived_message_stays_after_delivery(db: Db) {
    let alice = account(&db, "alice").await;
    archive::append(&db, vec![Entry { undelivered: true, ..message(alice, id(1)) }]).await.unwrap();
    undelivered::clear(&db, alice, &[id(1)]).await.unwrap();
    flush(&db).await;
    assert!(archive::exists(&db, alice, id(1)).await.unwrap());
    assert_eq!(undelivered::count(&db, alice).await.unwrap(), 0);
}
