//! A database that an earlier program left: what it holds is sealed, and no trace of the plaintext stays.

use std::path::Path;

use rusqlite::{Connection, params};
use storage::{AccountId, Db, accounts};

use crate::{keys, known::*, open};

const SCHEMAS: [&str; 5] = [
    include_str!("../../src/migrations/sqlite/0001_accounts.sql"),
    include_str!("../../src/migrations/sqlite/0002_roster.sql"),
    include_str!("../../src/migrations/sqlite/0003_archive.sql"),
    include_str!("../../src/migrations/sqlite/0004_profiles.sql"),
    include_str!("../../src/migrations/sqlite/0005_devices.sql"),
];

const ALICE: AccountId = AccountId(5);
const ROSTER_VERSION: i64 = NOW_MS + 3;

/// A database of an earlier schema, with all the data that had a place in it.
fn earlier(dir: &Path, version: usize) -> Connection {
    let connection = Connection::open(dir.join(FILE)).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection
        .execute_batch("CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
        .unwrap();
    for (number, schema) in SCHEMAS[..version].iter().enumerate() {
        connection.execute_batch(schema).unwrap();
        connection
            .execute("INSERT INTO migrations VALUES (?, 'earlier')", [i64::try_from(number).unwrap() + 1])
            .unwrap();
    }
    let fillings: [fn(&Connection); 5] = [account, contacts, mailbox, profiles, device];
    fillings[..version].iter().for_each(|fill| fill(&connection));
    connection
}

fn account(connection: &Connection) {
    let insert = "INSERT INTO accounts (id, localpart, created_at_ms, last_seen_ms, last_status, roster_version,
        sha1_salt, sha1_iterations, sha1_stored_key, sha1_server_key,
        sha256_salt, sha256_iterations, sha256_stored_key, sha256_server_key)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (credentials, seen) = (credentials(), last_seen());
    // One is being deleted; ids up to 9 were used once.
    for (id, name) in [(ALICE.0, Some("alice-localpart")), (6, None), (9, Some("x"))] {
        let (a, b) = (&credentials.sha1, &credentials.sha256);
        let keys = params![
            id,
            name,
            NOW_MS,
            seen.at_ms,
            seen.status,
            ROSTER_VERSION,
            a.salt.as_ref(),
            a.iterations,
            a.stored_key.as_ref(),
            a.server_key.as_ref(),
            b.salt.as_ref(),
            b.iterations,
            b.stored_key.as_ref(),
            b.server_key.as_ref()
        ];
        connection.execute(insert, keys).unwrap();
    }
    connection.execute("DELETE FROM accounts WHERE id = 9", []).unwrap();
}

fn contacts(connection: &Connection) {
    let contact = contact();
    let insert =
        "INSERT INTO roster (owner, jid, name, subscription, ask, approved, pending_in, group_names, in_roster,
        version) VALUES (?, ?, ?, 0, 0, 1, ?, '[\"group of conspirators\"]', 1, ?)";
    for owner in [ALICE.0, 6] {
        let row = params![owner, contact.jid, contact.name, contact.pending_in.as_deref(), ROSTER_VERSION];
        connection.execute(insert, row).unwrap();
    }
    let insert = "INSERT INTO roster_removals (owner, jid, version) VALUES (?, ?, ?)";
    connection.execute(insert, params![ALICE.0, REMOVED, ROSTER_VERSION - 1]).unwrap();
}

fn mailbox(connection: &Connection) {
    for entry in messages(ALICE) {
        let insert = if entry.archived {
            "INSERT INTO archive (owner, id, peer, peer_resource, direction, stanza) VALUES (?, ?, ?, ?, 0, ?)"
        } else {
            "INSERT INTO transient (owner, id, peer, peer_resource, direction, stanza) VALUES (?, ?, ?, ?, 0, ?)"
        };
        let (id, stanza) = (entry.id.to_i64(), entry.stanza.as_ref());
        connection.execute(insert, params![ALICE.0, id, entry.peer, entry.peer_resource, stanza]).unwrap();
        connection.execute("INSERT INTO undelivered (owner, id) VALUES (?, ?)", [ALICE.0, id]).unwrap();
    }
}

fn profiles(connection: &Connection) {
    connection
        .execute_batch(&format!(
            "INSERT INTO archive_prefs VALUES ({alice}, 2, '[\"always-archived@example.net\"]',
                '[\"never-archived@example.net\"]');
             INSERT INTO blocklist VALUES ({alice}, '{BLOCKED}');
             INSERT INTO private_xml VALUES ({alice}, 'urn:private:namespace', 'private-element-name',
                '<x>private-element-text</x>');
             INSERT INTO vcards VALUES ({alice}, '<vCard><FN>Alice Liddell</FN></vCard>',
                'b858cb282617fb0956d960215c8e84d1ccf909c6');",
            alice = ALICE.0
        ))
        .unwrap();
}

fn device(connection: &Connection) {
    let id = i64::from_be_bytes([0xff, 1, 2, 3, 4, 5, 6, 7]);
    let row = params![ALICE.0, id, DEVICE_NAMES.0, DEVICE_NAMES.1, NOW_MS];
    connection.execute("INSERT INTO devices VALUES (?, ?, ?, ?, 1, ?5, ?5)", row).unwrap();
}

async fn roster_of(db: &Db) -> usize {
    storage::roster::load(db, ALICE).await.unwrap().items.len()
}

#[tokio::test]
async fn data_of_every_earlier_schema_is_sealed_and_reads_back() {
    for version in 1..=SCHEMAS.len() {
        let dir = tempfile::tempdir().unwrap();
        let earlier = earlier(dir.path(), version);
        assert!(found_in(dir.path()).contains(&"alice-localpart"), "the old files have it");
        drop(earlier);
        let db = open(dir.path(), keys(1)).await.unwrap();
        assert_eq!(found_in(dir.path()), Vec::<&str>::new(), "from version {version}");

        let alice = accounts::by_localpart(&db, "alice-localpart").await.unwrap().unwrap();
        assert_eq!((alice.id, alice.credentials, alice.last_seen), (ALICE, credentials(), Some(last_seen())));
        assert_eq!(roster_of(&db).await, usize::from(version >= 2));
        if version == SCHEMAS.len() {
            read_back(&db).await;
        }
        // What was being deleted still is, and ids go on.
        assert_eq!(accounts::count(&db).await.unwrap(), 1);
        assert_eq!(accounts::finish_deletions(&db).await.unwrap(), 1);
        let next = accounts::create(&db, "bob", &credentials(), NOW_MS).await.unwrap().unwrap();
        assert_eq!(next, AccountId(10));
        db.close().await;
        open(dir.path(), keys(1)).await.unwrap().close().await;
        assert_eq!(found_in(dir.path()), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn a_file_that_was_sealed_but_not_yet_rewritten_is_rewritten_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(earlier(dir.path(), SCHEMAS.len()));
    open(dir.path(), keys(1)).await.unwrap().close().await;
    let raw = Connection::open(dir.path().join(FILE)).unwrap();
    // As after a crash between the migration and its end: free pages with plaintext, and the wish to be rid of them.
    raw.execute_batch(
        "CREATE TABLE plain (text TEXT); INSERT INTO plain VALUES ('meet me at midnight'); DROP TABLE plain;
         PRAGMA user_version = 1",
    )
    .unwrap();
    drop(raw);
    assert_eq!(found_in(dir.path()), ["meet me at midnight"]);
    open(dir.path(), keys(1)).await.unwrap().close().await;
    assert_eq!(found_in(dir.path()), Vec::<&str>::new());
}
