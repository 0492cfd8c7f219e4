//! Known strings in every place where an account keeps something, and looking for them.

use std::{fs, path::Path};

use bytes::Bytes;
use storage::{
    AccountId, ArchiveId, Db, DeviceId, InviteId,
    accounts::{self, Credentials, LastSeen, ScramKeys},
    api_tokens::{self, ApiToken},
    archive::{self, Direction, Entry, Filter, Paging, With},
    archive_prefs::{self, ArchivePrefs, Fallback},
    audit, blocklist, devices,
    invites::{self, Invite},
    private_xml::{self, PrivateXml},
    pubsub,
    roster::{self, Item},
    undelivered,
    uploads::{self, Described},
    vcards::{self, Vcard},
};

pub const URL: &str = "sqlite:whimbrel.db";
pub const FILE: &str = "whimbrel.db";
pub const NOW_MS: i64 = 1_700_000_000_000;

/// Each stands somewhere in what [`fill`] stores.
pub const SECRETS: &[&str] = &[
    "alice-localpart",
    "salt-of-alice-sha1",
    "key-of-alice-sha256",
    "gone fishing with ivan",
    "bob-contact@example.net",
    "Bobby Contactson",
    "group of conspirators",
    "i-would-like-to-subscribe",
    "carol-removed@example.net",
    "dave-peer@example.net",
    "dave-resource",
    "meet me at midnight",
    "burn after reading",
    "always-archived@example.net",
    "never-archived@example.net",
    "mallory-blocked@example.net",
    "urn:private:namespace",
    "private-element-name",
    "private-element-text",
    "Alice Liddell",
    "urn:secret:node",
    "a secret title",
    "member-of-node@example.net",
    "subscriber-of-node@example.net",
    "room-in-bookmarks@example.net",
    "alice-publishes@example.net",
    "secret-nick",
    "b858cb282617fb0956d960215c8e84d1ccf909c6",
    "Bird Messenger 7",
    "the phone of alice",
    "name-of-api-token",
    "accounts:everything",
    "reserved-localpart",
    "inviter-of-somebody",
    "auditor-of-changes",
    "target-of-change",
    "detail-of-change",
    "random-part-of-a-url",
    "holiday-in-lisbon.heic",
    "image/heic",
];

/// Those of [`SECRETS`] that stand in a file, or in a file of a folder.
pub fn found_in(path: &Path) -> Vec<&'static str> {
    let files: Vec<_> = if path.is_dir() {
        fs::read_dir(path).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    } else {
        vec![fs::read(path).unwrap()]
    };
    let stands = |secret: &&&str| {
        files.iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    SECRETS.iter().filter(stands).copied().collect()
}

pub fn credentials() -> Credentials {
    let keys = |salt: &'static str, key: &'static str| ScramKeys {
        salt: Bytes::from_static(salt.as_bytes()),
        iterations: 4096,
        stored_key: Bytes::from_static(key.as_bytes()),
        server_key: Bytes::from_static(b"server key"),
    };
    Credentials { sha1: keys("salt-of-alice-sha1", "key"), sha256: keys("salt", "key-of-alice-sha256") }
}

pub fn last_seen() -> LastSeen {
    LastSeen { at_ms: NOW_MS, status: Some("gone fishing with ivan".into()) }
}

pub fn contact() -> Item {
    Item {
        jid: "bob-contact@example.net".into(),
        name: Some("Bobby Contactson".into()),
        pending_in: Some(Bytes::from_static(b"<presence><status>i-would-like-to-subscribe</status></presence>")),
        groups: vec!["group of conspirators".into()],
        in_roster: true,
        approved: true,
        ..Item::default()
    }
}

pub const REMOVED: &str = "carol-removed@example.net";

pub fn messages(owner: AccountId) -> [Entry; 2] {
    let entry = |number: i64, text: &str| Entry {
        owner,
        id: ArchiveId::first_at(NOW_MS + number),
        peer: "dave-peer@example.net".into(),
        peer_resource: Some("dave-resource".into()),
        direction: Direction::Received,
        stanza: Bytes::from(format!("<message><body>{text}</body></message>")),
        archived: number == 0,
        undelivered: true,
    };
    [entry(0, "meet me at midnight"), entry(1, "burn after reading")]
}

pub fn prefs() -> ArchivePrefs {
    ArchivePrefs {
        fallback: Fallback::Roster,
        always: vec!["always-archived@example.net".into()],
        never: vec!["never-archived@example.net".into()],
    }
}

pub const BLOCKED: &str = "mallory-blocked@example.net";

pub fn element() -> PrivateXml {
    PrivateXml {
        namespace: "urn:private:namespace".into(),
        name: "private-element-name".into(),
        xml: "<x>private-element-text</x>".into(),
    }
}

pub fn vcard() -> Vcard {
    Vcard {
        xml: "<vCard><FN>Alice Liddell</FN></vCard>".into(),
        photo_sha1: Some("b858cb282617fb0956d960215c8e84d1ccf909c6".into()),
    }
}

pub fn node() -> pubsub::Node {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    pubsub::Node {
        name: "urn:secret:node".into(),
        config: pair("pubsub#title", "a secret title"),
        affiliations: pair("member-of-node@example.net", "member"),
        subscriptions: pair("subscriber-of-node@example.net", "subscription-id"),
    }
}

pub fn published() -> pubsub::Item {
    pubsub::Item {
        id: "room-in-bookmarks@example.net".into(),
        seq: ArchiveId::first_at(NOW_MS),
        publisher: "alice-publishes@example.net".into(),
        payload: "<conference><nick>secret-nick</nick></conference>".into(),
    }
}

pub const DEVICE: DeviceId = DeviceId::from_bytes([0xff, 1, 2, 3, 4, 5, 6, 7]);
pub const DEVICE_NAMES: (Option<&str>, Option<&str>) = (Some("Bird Messenger 7"), Some("the phone of alice"));

pub fn upload() -> Described {
    Described {
        token: "random-part-of-a-url".into(),
        file_name: "holiday-in-lisbon.heic".into(),
        content_type: "image/heic".into(),
        bytes: 5,
    }
}

/// Stores all of it, for one account.
pub async fn fill(db: &Db) -> AccountId {
    let alice = accounts::create(db, "alice-localpart", &credentials(), NOW_MS).await.unwrap().unwrap();
    accounts::touch_last_seen(db, alice, last_seen()).await.unwrap();
    roster::upsert(db, alice, &Item { jid: REMOVED.into(), in_roster: true, ..Item::default() }).await.unwrap();
    roster::remove(db, alice, REMOVED).await.unwrap();
    roster::upsert(db, alice, &contact()).await.unwrap();
    archive::append(db, messages(alice).into()).await.unwrap();
    archive_prefs::store(db, alice, &prefs()).await.unwrap();
    blocklist::add(db, alice, &[BLOCKED.into()]).await.unwrap();
    private_xml::store(db, alice, vec![element()]).await.unwrap();
    vcards::store(db, alice, vcard()).await.unwrap();
    pubsub::publish(db, alice, (&node().name, Some(&node())), &published(), 10).await.unwrap();
    devices::seen(db, alice, DEVICE, DEVICE_NAMES, NOW_MS, 3).await.unwrap();
    administer(db, alice).await;
    // Once more, elsewhere: a database server's log may have torn it at the end of a page.
    accounts::touch_last_seen(db, alice, last_seen()).await.unwrap();
    uploads::grant(db, alice, &upload(), NOW_MS, NOW_MS + 1).await.unwrap();
    db.settle().await.unwrap();
    alice
}

/// What administrators store.
async fn administer(db: &Db, alice: AccountId) {
    let (name, scopes) = ("name-of-api-token".into(), "accounts:everything".into());
    let token = ApiToken { name, scopes, created_at_ms: NOW_MS, expires_at_ms: None, used_at_ms: None };
    assert!(api_tokens::create(db, &token, b"secret-of-api-token").await.unwrap());
    for (number, contact) in [(1, Some(alice)), (2, None)] {
        let invite = Invite {
            id: InviteId::from_bytes([number; 8]),
            contact,
            localpart: Some("reserved-localpart".into()),
            registers: true,
            uses_max: 1,
            uses: 0,
            created_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + 1,
            created_by: "inviter-of-somebody".into(),
        };
        assert!(invites::create(db, &invite, &format!("token-of-invite-{number}")).await.unwrap());
    }
    let entry = audit::Entry {
        id: ArchiveId::first_at(NOW_MS),
        action: "account.create".into(),
        via: "token".into(),
        actor: Some("auditor-of-changes".into()),
        target: Some("target-of-change".into()),
        detail: Some("detail-of-change".into()),
        outcome: None,
    };
    assert!(audit::append(db, &entry).await.unwrap());
}

/// All of it is there, as it was stored.
pub async fn read_back(db: &Db) {
    let alice = accounts::by_localpart(db, "alice-localpart").await.unwrap().unwrap();
    assert_eq!((alice.localpart.as_str(), &alice.credentials), ("alice-localpart", &credentials()));
    assert_eq!((alice.last_seen, alice.created_at_ms, alice.disabled), (Some(last_seen()), NOW_MS, false));
    assert_eq!(accounts::list(db, None, 10).await.unwrap().len(), 1);
    let owner = alice.id;

    let items = roster::load(db, owner).await.unwrap().items;
    assert_eq!(items, [Item { version: alice.roster_version, ..contact() }]);
    let changes = roster::changes_since(db, owner, alice.roster_version - 2).await.unwrap().unwrap();
    assert_eq!(changes.removed, [REMOVED]);

    let [archived, transient] = messages(owner);
    let stored = undelivered::page(db, owner, None, 10).await.unwrap();
    let stanzas: Vec<_> = stored.iter().map(|stored| stored.stanza.clone()).collect();
    assert_eq!(stanzas, [archived.stanza.clone(), transient.stanza.clone()]);
    let with = With { bare: archived.peer.clone(), resource: archived.peer_resource.clone() };
    let filter = Filter { with: Some(with), ..Filter::default() };
    let page = archive::page(db, owner, &filter, &Paging::last(10)).await.unwrap().unwrap();
    assert_eq!(page.messages, stored[..1]);
    assert!(archive::newest(db).await.unwrap().unwrap() >= transient.id);

    assert_eq!(archive_prefs::load(db, owner).await.unwrap(), Some(prefs()));
    assert_eq!(blocklist::list(db, owner).await.unwrap(), [BLOCKED]);
    let PrivateXml { namespace, name, xml } = element();
    assert_eq!(private_xml::load(db, owner, &namespace, &name).await.unwrap().as_deref(), Some(xml.as_str()));
    assert_eq!(private_xml::bytes(db, owner).await.unwrap(), xml.len() as u64);
    assert_eq!(vcards::load(db, owner).await.unwrap(), Some(vcard()));
    let devices = devices::list(db, owner, NOW_MS).await.unwrap();
    assert_eq!((devices[0].software.as_deref(), devices[0].name.as_deref()), DEVICE_NAMES);
    assert_eq!((devices[0].id, devices[0].by_password), (DEVICE, true));
}

/// What is published is there too, which no schema had in the days before anything was sealed.
pub async fn read_back_published(db: &Db) {
    let owner = accounts::by_localpart(db, "alice-localpart").await.unwrap().unwrap().id;
    assert_eq!(pubsub::nodes(db, owner).await.unwrap(), [node()]);
    assert_eq!(pubsub::last(db, owner, &node().name).await.unwrap(), Some(published()));
}
