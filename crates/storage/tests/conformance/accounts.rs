//! Accounts from creation to deletion.

use storage::{
    Db, Statement,
    accounts::{self, LastSeen},
    archive, blocklist, private_xml, roster, undelivered, vcards,
};

use crate::cast::{NOW_MS, account, credentials, id, message};

pub async fn a_localpart_belongs_to_one_account(db: Db) {
    let alice = account(&db, "alice").await;
    assert_eq!(accounts::create(&db, "alice", &credentials(1), NOW_MS).await.unwrap(), None);
    let found = accounts::by_localpart(&db, "alice").await.unwrap().unwrap();
    assert_eq!((found.id, found.created_at_ms, found.disabled), (alice, NOW_MS, false));
    assert_eq!(found.credentials, credentials(7));
    assert_eq!(found.last_seen, None);
    assert_eq!(accounts::by_localpart(&db, "bob").await.unwrap(), None);
}

pub async fn credentials_can_be_replaced(db: Db) {
    let alice = account(&db, "alice").await;
    assert!(accounts::set_credentials(&db, alice, &credentials(9)).await.unwrap());
    assert_eq!(accounts::by_localpart(&db, "alice").await.unwrap().unwrap().credentials, credentials(9));
    assert!(accounts::delete(&db, alice).await.unwrap());
    assert!(!accounts::set_credentials(&db, alice, &credentials(9)).await.unwrap());
}

pub async fn a_disabled_account_is_still_there(db: Db) {
    let alice = account(&db, "alice").await;
    assert!(accounts::set_disabled(&db, alice, true).await.unwrap());
    assert!(accounts::by_localpart(&db, "alice").await.unwrap().unwrap().disabled);
    assert!(accounts::set_disabled(&db, alice, false).await.unwrap());
    assert!(!accounts::by_localpart(&db, "alice").await.unwrap().unwrap().disabled);
}

pub async fn accounts_are_listed_page_by_page(db: Db) {
    for localpart in ["carol", "alice", "dave", "bob"] {
        account(&db, localpart).await;
    }
    assert_eq!(accounts::count(&db).await.unwrap(), 4);
    let names = |page: Vec<accounts::Account>| page.into_iter().map(|account| account.localpart).collect::<Vec<_>>();
    let first = accounts::list(&db, None, 3).await.unwrap();
    let after = first.last().map(|account| account.id);
    assert_eq!(names(first), ["carol", "alice", "dave"], "in the order of their creation");
    assert_eq!(names(accounts::list(&db, after, 3).await.unwrap()), ["bob"]);
}

pub async fn last_seen_is_remembered(db: Db) {
    let alice = account(&db, "alice").await;
    let last_seen = LastSeen { at_ms: NOW_MS + 5, status: Some("gone fishing".into()) };
    accounts::touch_last_seen(&db, alice, last_seen.clone()).await.unwrap();
    accounts::set_disabled(&db, alice, false).await.unwrap();
    assert_eq!(accounts::by_localpart(&db, "alice").await.unwrap().unwrap().last_seen, Some(last_seen));
}

/// Rows of all tables that have an owner.
async fn owned_rows(db: &Db) -> i64 {
    let mut total = 0;
    for sql in [
        "SELECT COUNT(*) FROM archive",
        "SELECT COUNT(*) FROM transient",
        "SELECT COUNT(*) FROM undelivered",
        "SELECT COUNT(*) FROM roster",
        "SELECT COUNT(*) FROM roster_removals",
        "SELECT COUNT(*) FROM archive_prefs",
        "SELECT COUNT(*) FROM blocklist",
        "SELECT COUNT(*) FROM private_xml",
        "SELECT COUNT(*) FROM vcards",
        "SELECT COUNT(*) FROM pubsub_nodes",
        "SELECT COUNT(*) FROM pubsub_items",
        "SELECT COUNT(*) FROM devices",
        "SELECT COUNT(*) FROM device_tokens",
        "SELECT COUNT(*) FROM invites",
        "SELECT COUNT(*) FROM uploads",
        // The others go once their parts have gone.
        "SELECT COUNT(*) FROM media WHERE removing = 0",
    ] {
        total += db.query_one(Statement::new(sql, [])).await.unwrap().unwrap().int().unwrap();
    }
    total
}

async fn furnish(db: &Db, owner: storage::AccountId) {
    let mut entries: Vec<_> = (0..1203).map(|second| message(owner, id(second))).collect();
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.undelivered = number % 2 == 0;
        entry.archived = number % 4 != 0;
    }
    archive::append(db, entries).await.unwrap();
    for jid in ["bob@example.org", "carol@example.org"] {
        let item = roster::Item { jid: jid.into(), in_roster: true, ..Default::default() };
        roster::upsert(db, owner, &item).await.unwrap();
    }
    roster::remove(db, owner, "carol@example.org").await.unwrap();
    storage::archive_prefs::store(db, owner, &Default::default()).await.unwrap();
    blocklist::add(db, owner, &["eve@example.org".into()]).await.unwrap();
    let element = private_xml::PrivateXml { namespace: "a".into(), name: "b".into(), xml: "<b xmlns='a'/>".into() };
    private_xml::store(db, owner, vec![element]).await.unwrap();
    vcards::store(db, owner, vcards::Vcard { xml: "<vCard/>".into(), photo_sha1: None }).await.unwrap();
    crate::pubsub::furnish(db, owner).await;
    crate::devices::furnish(db, owner).await;
    crate::administration::furnish(db, owner).await;
    crate::uploads::furnish(db, owner).await;
}

pub async fn a_deleted_account_leaves_nothing_behind(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    let bob = account(&db, "bob").await;
    archive::append(&db, vec![message(bob, id(1))]).await.unwrap();

    assert!(accounts::delete(&db, alice).await.unwrap());
    assert_eq!(accounts::by_localpart(&db, "alice").await.unwrap(), None);
    assert_eq!(owned_rows(&db).await, 1, "bob's message");
    assert_eq!(accounts::count(&db).await.unwrap(), 1);
    assert!(!accounts::delete(&db, alice).await.unwrap());

    let again = account(&db, "alice").await;
    assert_ne!(again, alice, "an id is never used again");
    assert_eq!(undelivered::count(&db, again).await.unwrap(), 0);
}

pub async fn an_interrupted_deletion_is_finished_later(db: Db) {
    let alice = account(&db, "alice").await;
    furnish(&db, alice).await;
    {
        // Cancelled after the first step was queued: only that one is certain.
        let deletion = accounts::delete(&db, alice);
        tokio::pin!(deletion);
        tokio::select! {
            biased;
            _ = &mut deletion => {}
            () = std::future::ready(()) => {}
        }
    }
    // Awaiting any write after it makes the first step visible.
    account(&db, "carol").await;
    assert_eq!(accounts::by_localpart(&db, "alice").await.unwrap(), None);
    assert!(!accounts::set_disabled(&db, alice, false).await.unwrap());
    account(&db, "alice").await;
    assert_eq!(accounts::finish_deletions(&db).await.unwrap(), 1);
    assert_eq!(accounts::finish_deletions(&db).await.unwrap(), 0);
    assert_eq!(owned_rows(&db).await, 0);
    assert_eq!(accounts::count(&db).await.unwrap(), 2);
}
