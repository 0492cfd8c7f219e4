//! Rosters and their versions.

use bytes::Bytes;
use storage::{
    Db, accounts,
    limits::ROSTER_CHANGES_KEPT,
    roster::{self, Item, Subscription},
};

use crate::cast::account;

fn contact(jid: &str) -> Item {
    Item { jid: jid.into(), in_roster: true, ..Default::default() }
}

fn jids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.jid.as_str()).collect()
}

pub async fn an_item_comes_back_as_it_was_stored(db: Db) {
    let alice = account(&db, "alice").await;
    let mut bob = Item {
        jid: "bob@example.org".into(),
        name: Some("Bob & <Co>".into()),
        subscription: Subscription::Both,
        ask: true,
        approved: true,
        pending_in: Some(Bytes::from_static(b"<presence type='subscribe'/>")),
        groups: vec!["Friends".into(), "Work, \"old\"".into()],
        in_roster: true,
        version: 0,
    };
    bob.version = roster::upsert(&db, alice, &bob).await.unwrap();
    assert_eq!(roster::item(&db, alice, "bob@example.org").await.unwrap(), Some(bob.clone()));
    for subscription in [Subscription::None, Subscription::To, Subscription::From] {
        bob = Item { subscription, pending_in: None, name: None, groups: vec![], ..bob };
        bob.version = roster::upsert(&db, alice, &bob).await.unwrap();
        assert_eq!(roster::load(&db, alice).await.unwrap().items, [bob.clone()]);
    }
}

pub async fn each_change_takes_the_next_version(db: Db) {
    let alice = account(&db, "alice").await;
    let before = roster::load(&db, alice).await.unwrap().version;
    assert_eq!(roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap(), before + 1);
    assert_eq!(roster::upsert(&db, alice, &contact("carol@example.org")).await.unwrap(), before + 2);
    assert_eq!(roster::remove(&db, alice, "bob@example.org").await.unwrap(), Some(before + 3));
    assert_eq!(roster::remove(&db, alice, "bob@example.org").await.unwrap(), None);
    let roster = roster::load(&db, alice).await.unwrap();
    assert_eq!((roster.version, jids(&roster.items)), (before + 3, vec!["carol@example.org"]));
    let found = accounts::by_localpart(&db, "alice").await.unwrap().unwrap();
    assert_eq!(found.roster_version, before + 3);
}

pub async fn a_client_learns_what_changed_since_its_version(db: Db) {
    let alice = account(&db, "alice").await;
    for jid in ["a@example.org", "b@example.org", "c@example.org"] {
        roster::upsert(&db, alice, &contact(jid)).await.unwrap();
    }
    let seen = roster::load(&db, alice).await.unwrap().version;
    let nothing = roster::changes_since(&db, alice, seen).await.unwrap().unwrap();
    assert!(nothing.changed.is_empty() && nothing.removed.is_empty());

    roster::remove(&db, alice, "a@example.org").await.unwrap();
    roster::upsert(&db, alice, &contact("d@example.org")).await.unwrap();
    roster::upsert(&db, alice, &Item { name: Some("B".into()), ..contact("b@example.org") }).await.unwrap();
    let changes = roster::changes_since(&db, alice, seen).await.unwrap().unwrap();
    assert_eq!(changes.version, seen + 3);
    assert_eq!(jids(&changes.changed), ["d@example.org", "b@example.org"]);
    assert_eq!(changes.removed, ["a@example.org"]);
}

pub async fn a_pending_request_is_not_shown_to_clients(db: Db) {
    let alice = account(&db, "alice").await;
    let start = roster::load(&db, alice).await.unwrap().version;
    let request = Some(Bytes::from_static(b"<presence type='subscribe'/>"));
    let stranger = Item { jid: "eve@example.org".into(), pending_in: request.clone(), ..Default::default() };
    roster::upsert(&db, alice, &stranger).await.unwrap();
    assert_eq!(jids(&roster::load(&db, alice).await.unwrap().items), ["eve@example.org"]);
    let changes = roster::changes_since(&db, alice, start).await.unwrap().unwrap();
    assert!(changes.changed.is_empty() && changes.removed.is_empty());

    // A contact that left, but asks again: clients only see that it left.
    roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap();
    let seen = roster::load(&db, alice).await.unwrap().version;
    let asks = Item { pending_in: request, in_roster: false, ..contact("bob@example.org") };
    roster::upsert(&db, alice, &asks).await.unwrap();
    let changes = roster::changes_since(&db, alice, seen).await.unwrap().unwrap();
    assert!(changes.changed.is_empty());
    assert_eq!(changes.removed, ["bob@example.org"]);
}

pub async fn a_version_that_is_too_old_or_unknown_needs_the_whole_roster(db: Db) {
    let alice = account(&db, "alice").await;
    let start = roster::load(&db, alice).await.unwrap().version;
    roster::upsert(&db, alice, &contact("gone@example.org")).await.unwrap();
    roster::remove(&db, alice, "gone@example.org").await.unwrap();
    for _ in 2..ROSTER_CHANGES_KEPT {
        roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap();
    }
    let oldest = roster::changes_since(&db, alice, start).await.unwrap().unwrap();
    assert_eq!(oldest.removed, ["gone@example.org"]);
    let newest = roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap();
    assert_eq!(roster::changes_since(&db, alice, start).await.unwrap(), None);
    assert_eq!(roster::changes_since(&db, alice, newest + 1).await.unwrap(), None);
    assert_eq!(roster::changes_since(&db, alice, 0).await.unwrap(), None);
}

pub async fn a_removed_item_that_comes_back_is_a_change_again(db: Db) {
    let alice = account(&db, "alice").await;
    roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap();
    let seen = roster::load(&db, alice).await.unwrap().version;
    roster::remove(&db, alice, "bob@example.org").await.unwrap();
    roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap();
    let changes = roster::changes_since(&db, alice, seen).await.unwrap().unwrap();
    assert_eq!(jids(&changes.changed), ["bob@example.org"]);
    assert!(changes.removed.is_empty());
}

pub async fn an_account_that_is_gone_gets_no_items(db: Db) {
    let alice = account(&db, "alice").await;
    accounts::delete(&db, alice).await.unwrap();
    let error = roster::upsert(&db, alice, &contact("bob@example.org")).await.unwrap_err();
    assert!(error.is_constraint(), "{error}");
    assert_eq!(roster::load(&db, alice).await.unwrap(), roster::Roster::default());
}
