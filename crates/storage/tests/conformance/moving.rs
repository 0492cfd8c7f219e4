//! What accounts need that move in or out.

use storage::accounts::{self, Credentials};
use storage::archive::{self, Entry};
use storage::owned::{self, Owned};
use storage::private_xml::{self, PrivateXml};
use storage::roster::{self, Item};
use storage::{Db, blocklist, undelivered};

use crate::cast::{NOW_MS, account, credentials, id, message};

pub async fn what_an_account_owns_is_counted_and_nobody_elses(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    archive::append(&db, vec![message(alice, id(1)), message(alice, id(2)), message(bob, id(1))]).await.unwrap();
    let transient = Entry { archived: false, undelivered: true, ..message(alice, id(3)) };
    archive::append(&db, vec![transient]).await.unwrap();
    let contact = |jid: &str, in_roster| Item {
        jid: jid.into(),
        in_roster,
        pending_in: (!in_roster).then(|| "<presence/>".into()),
        ..Item::default()
    };
    roster::upsert(&db, alice, &contact("bob@example.org", true)).await.unwrap();
    roster::upsert(&db, alice, &contact("eve@example.org", false)).await.unwrap();
    blocklist::add(&db, alice, &["spam.example".into()]).await.unwrap();
    let expected =
        Owned { messages: 2, transient: 1, undelivered: 1, contacts: 1, requests: 1, blocked: 1, ..Owned::default() };
    assert_eq!(owned::count(&db, alice).await.unwrap(), expected);
    assert_eq!(owned::count(&db, bob).await.unwrap(), Owned { messages: 1, ..Owned::default() });
}

pub async fn a_message_in_the_archive_can_wait_again_once(db: Db) {
    let alice = account(&db, "alice").await;
    archive::append(&db, vec![message(alice, id(1)), message(alice, id(2))]).await.unwrap();
    undelivered::add(&db, alice, &[]).await.unwrap();
    undelivered::add(&db, alice, &[id(2), id(2)]).await.unwrap();
    undelivered::add(&db, alice, &[id(2)]).await.unwrap();
    let waiting = undelivered::page(&db, alice, None, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|stored| stored.id).collect::<Vec<_>>(), [id(2)]);
}

pub async fn all_private_xml_is_listed(db: Db) {
    let (alice, bob) = (account(&db, "alice").await, account(&db, "bob").await);
    let element = |name: &str| PrivateXml { namespace: "urn:n".into(), name: name.into(), xml: format!("<{name}/>") };
    private_xml::store(&db, alice, vec![element("b"), element("a")]).await.unwrap();
    private_xml::store(&db, bob, vec![element("c")]).await.unwrap();
    let mut listed = private_xml::list(&db, alice).await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(listed, [element("a"), element("b")]);
}

pub async fn accounts_with_keys_of_one_hash_are_found(db: Db) {
    account(&db, "alice").await;
    let mut none = credentials(1);
    (none.sha1.iterations, none.sha256.iterations) = (0, 0);
    accounts::create(&db, "bob", &none, NOW_MS).await.unwrap().unwrap();
    assert!(!accounts::some_have_one_hash(&db).await.unwrap());
    let one = Credentials { sha1: credentials(1).sha1, ..none };
    let carol = accounts::create(&db, "carol", &one, NOW_MS).await.unwrap().unwrap();
    assert!(accounts::some_have_one_hash(&db).await.unwrap());
    accounts::set_credentials(&db, carol, &credentials(2)).await.unwrap();
    assert!(!accounts::some_have_one_hash(&db).await.unwrap());
}
