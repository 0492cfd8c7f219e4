//! A new master key.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use rusqlite::{Connection, types::Value};
use storage::{Db, MasterKeys, Options, Reread, accounts, limits::ROTATE_STEP_ACCOUNTS, rotate};

use crate::{
    keys,
    known::{FILE, NOW_MS, URL, credentials, fill, read_back},
    open,
};

/// Every value of the database but the wrapped keys.
fn data(dir: &Path) -> Vec<Vec<Value>> {
    let raw = Connection::open(dir.join(FILE)).unwrap();
    let tables = [
        "SELECT id, localpart_hash, localpart, credentials, last_status FROM accounts ORDER BY id",
        "SELECT * FROM roster ORDER BY owner, jid_hash",
        "SELECT * FROM roster_removals",
        "SELECT * FROM archive ORDER BY owner, id",
        "SELECT * FROM transient ORDER BY owner, id",
        "SELECT * FROM archive_prefs",
        "SELECT * FROM blocklist",
        "SELECT * FROM private_xml",
        "SELECT * FROM vcards",
        "SELECT * FROM pubsub_nodes",
        "SELECT * FROM pubsub_items",
        "SELECT * FROM devices",
    ];
    let mut all = Vec::new();
    for sql in tables {
        let mut statement = raw.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
        all.extend(rows.map(|row| row.unwrap()));
    }
    all
}

#[tokio::test]
async fn a_rotation_wraps_every_key_again_and_touches_no_data() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys(1)).await.unwrap();
    fill(&db).await;
    let (before, secret) = (data(dir.path()), db.secret("tokens").unwrap());
    let rotated = rotate(&db, &keys(1).after(&keys(2))).await.unwrap();
    assert_eq!((rotated.fingerprint, rotated.accounts), (keys(2).fingerprints()[0], 1));
    assert_eq!(data(dir.path()), before);
    db.close().await;

    assert!(open(dir.path(), keys(1)).await.is_err(), "the old key is of no use");
    let db = open(dir.path(), keys(2)).await.unwrap();
    read_back(&db).await;
    assert_eq!(db.secret("tokens").unwrap(), secret, "tokens outlive the master key");
    assert_eq!(rotate(&db, &keys(2)).await.unwrap().accounts, 0, "a second time there is nothing to do");
    assert!(rotate(&db, &keys(3)).await.is_err());
}

#[tokio::test]
async fn an_interrupted_rotation_opens_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys(1)).await.unwrap();
    let accounts = i64::from(ROTATE_STEP_ACCOUNTS) + 10;
    for number in 0..accounts {
        accounts::create(&db, &format!("user{number}"), &credentials(), NOW_MS).await.unwrap();
    }
    db.close().await;
    let both = keys(1).after(&keys(2));
    let db = open(dir.path(), both.clone()).await.unwrap();
    {
        let rotation = rotate(&db, &both);
        tokio::pin!(rotation);
        // Once the deployment's key is wrapped anew, the accounts' keys follow step by step: leave at the first of them.
        let raw = Connection::open(dir.path().join(FILE)).unwrap();
        let begun = async {
            let sql = "SELECT COUNT(*) FROM deployment_keys WHERE master = substr(wrapped, 1, 8) AND master <> ?";
            let old: Vec<u8> = raw.query_row("SELECT master FROM deployment_keys", [], |row| row.get(0)).unwrap();
            while raw.query_row(sql, [&old], |row| row.get::<_, i64>(0)).unwrap() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = begun => {}
            done = &mut rotation => { done.unwrap(); }
        }
    }
    db.close().await;
    let db = open(dir.path(), both.clone()).await.unwrap();
    assert_eq!(accounts::list(&db, None, 10_000).await.unwrap().len() as i64, accounts);
    rotate(&db, &both).await.unwrap();
    db.close().await;
    let db = open(dir.path(), keys(2)).await.unwrap();
    assert_eq!(accounts::list(&db, None, 10_000).await.unwrap().len() as i64, accounts);
}

#[tokio::test]
async fn a_server_that_runs_reads_the_new_key_when_it_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = Arc::new(Mutex::new(keys(1)));
    let read = Arc::clone(&source);
    let reread = Some(Reread::new(move || Ok(read.lock().unwrap().clone())));
    let options = Options { reread, ..Options::new(keys(1)) };
    let server = Db::open(URL, dir.path(), &options).await.unwrap();
    let other: MasterKeys = keys(1);
    let tool = open(dir.path(), other).await.unwrap();
    // Made by another process, so this one has not its key at hand.
    accounts::create(&tool, "alice", &credentials(), NOW_MS).await.unwrap().unwrap();
    let both = keys(1).after(&keys(2));
    assert!(!server.has_master_key(keys(2).fingerprints()[0]).await);
    *source.lock().unwrap() = both.clone();
    assert!(server.has_master_key(keys(2).fingerprints()[0]).await);
    rotate(&tool, &both).await.unwrap();
    *source.lock().unwrap() = keys(2);
    assert!(accounts::by_localpart(&server, "alice").await.unwrap().is_some());
    let bob = accounts::create(&server, "bob", &credentials(), NOW_MS).await.unwrap();
    assert!(bob.is_some());

    // This one cannot read the new key: it creates nothing under the old one.
    let refused = accounts::create(&tool, "carol", &credentials(), NOW_MS).await.unwrap_err();
    assert!(matches!(refused, storage::Error::MasterKey { .. }), "{refused}");
    server.close().await;
    tool.close().await;
    let db = open(dir.path(), keys(2)).await.unwrap();
    assert_eq!(accounts::list(&db, None, 10).await.unwrap().len(), 2);
}
