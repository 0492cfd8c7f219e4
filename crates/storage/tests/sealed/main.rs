//! Sealed at rest: nobody who has the files and no master key learns who talks to whom, or what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod held;
mod known;
mod migration;
mod rotation;
mod servers;

use std::path::Path;

use known::{FILE, SECRETS, URL, fill, found_in, read_back, read_back_published};
use rusqlite::Connection;
use storage::{ArchiveId, Db, Error, MasterKeys, Options, accounts, archive};

fn keys(byte: u8) -> MasterKeys {
    MasterKeys::one([byte; 32]).unwrap()
}

async fn open(dir: &Path, keys: MasterKeys) -> Result<Db, Error> {
    Db::open(URL, dir, &Options { readers: 1, ..Options::new(keys) }).await
}

/// Everything that is in the folder, and in a dump of the database, while it is open.
async fn leaked(keys: MasterKeys) -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys).await.unwrap();
    fill(&db).await;
    assert!(dir.path().join(format!("{FILE}-wal")).metadata().unwrap().len() > 0, "the log is looked at too");
    let in_use = found_in(dir.path());
    let dump = dir.path().join("dump.db");
    let connection = Connection::open(dir.path().join(FILE)).unwrap();
    connection.execute("VACUUM INTO ?", [dump.to_str().unwrap()]).unwrap();
    drop(connection);
    assert_eq!(found_in(&dump), in_use);
    db.close().await;
    assert_eq!(found_in(&dir.path().join(FILE)), in_use, "checkpointed, it is the same");
    in_use
}

#[tokio::test]
async fn no_name_contact_or_message_stands_in_the_files() {
    assert_eq!(leaked(keys(1)).await, Vec::<&str>::new());
}

#[tokio::test]
async fn looking_for_them_finds_them_all_where_nothing_is_sealed() {
    assert_eq!(leaked(MasterKeys::unsealed().unwrap()).await, SECRETS);
}

#[tokio::test]
async fn everything_is_read_back_by_who_has_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys(1)).await.unwrap();
    fill(&db).await;
    let secret = db.secret("tokens").unwrap();
    db.close().await;
    let db = open(dir.path(), keys(1)).await.unwrap();
    read_back(&db).await;
    read_back_published(&db).await;
    // Earlier schemas have none.
    let found = storage::uploads::find(&db, &known::upload().token).await.unwrap().unwrap();
    assert_eq!(found.described, known::upload());
    assert_eq!(db.secret("tokens").unwrap(), secret);
    assert_ne!(db.secret("salts").unwrap(), secret);
}

#[tokio::test]
async fn another_master_key_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), keys(1)).await.unwrap().close().await;
    let refusal = open(dir.path(), keys(2)).await.err().unwrap().to_string();
    let wanted = keys(1).fingerprints()[0];
    assert!(refusal.starts_with("cannot open ") && refusal.lines().count() == 1, "{refusal}");
    let said = format!("the master key does not open this database: it needs the key with fingerprint {wanted}");
    assert!(refusal.ends_with(&said), "{refusal}");
    open(dir.path(), keys(1).after(&keys(2))).await.unwrap();
}

#[tokio::test]
async fn a_deletion_destroys_the_key_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys(1)).await.unwrap();
    let alice = fill(&db).await;
    let raw = Connection::open(dir.path().join(FILE)).unwrap();
    let wrapped = |id: i64| -> Option<Vec<u8>> {
        raw.query_row("SELECT wrapped_key FROM accounts WHERE id = ?", [id], |row| row.get(0)).unwrap()
    };
    let key = wrapped(alice.0).unwrap();
    {
        // Cancelled once its first step is queued.
        let deletion = accounts::delete(&db, alice);
        tokio::pin!(deletion);
        tokio::select! {
            biased;
            _ = &mut deletion => {}
            () = std::future::ready(()) => {}
        }
    }
    db.settle().await.unwrap();
    db.write(Vec::new()).await.unwrap();
    assert_eq!(wrapped(alice.0), None);
    drop(raw);
    db.close().await;
    let file = std::fs::read(dir.path().join(FILE)).unwrap();
    assert!(!file.windows(key.len()).any(|window| window == key), "its wrapped key is overwritten");

    let raw = Connection::open(dir.path().join(FILE)).unwrap();
    let left: i64 = raw.query_row("SELECT COUNT(*) FROM archive WHERE owner = ?", [alice.0], |row| row.get(0)).unwrap();
    assert!(left > 0, "the deletion was interrupted");
    let db = open(dir.path(), keys(1)).await.unwrap();
    let everything = archive::page(&db, alice, &Default::default(), &archive::Paging::first(10)).await.unwrap();
    assert!(everything.unwrap().messages.is_empty());
    assert!(storage::roster::load(&db, alice).await.unwrap().items.is_empty());
    assert_eq!(storage::vcards::load(&db, alice).await.unwrap(), None);
}

#[tokio::test]
async fn a_row_that_was_moved_to_another_owner_or_place_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path(), keys(1)).await.unwrap();
    let alice = fill(&db).await;
    let raw = Connection::open(dir.path().join(FILE)).unwrap();
    raw.execute("UPDATE archive SET id = id + 1 WHERE owner = ?", [alice.0]).unwrap();
    raw.execute("DELETE FROM undelivered WHERE owner = ?", [alice.0]).unwrap();
    let page = archive::page(&db, alice, &Default::default(), &archive::Paging::first(10)).await;
    assert!(page.unwrap_err().is_corrupt());
    assert!(ArchiveId::MIN < archive::newest(&db).await.unwrap().unwrap());
}
