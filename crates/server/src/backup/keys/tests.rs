//! An account that was deleted is noise in every backup of a place, and the others are not.

use std::path::Path;
use std::sync::Arc;

use storage::accounts::{self, Credentials};
use storage::tables::{Pages, TABLES};
use storage::vcards::{self, Vcard};
use storage::{AccountId, Db, InlineOptions, MasterKeys, Options};

use super::super::{create, open, restore, verify};
use super::*;
use crate::credentials::no_keys;

const NOW_MS: i64 = 1_800_000_000_000;

fn secrets() -> Arc<Secrets> {
    // Those that a database in memory is sealed with.
    Arc::new(Secrets { master_keys: Some(MasterKeys::one([1; 32]).unwrap()), passphrase: None })
}

fn store(dir: &Path, name: &str) -> Store {
    Store::open(&format!("file:{name}"), dir, None).unwrap()
}

async fn account(db: &Db, localpart: &str) -> AccountId {
    let credentials = Credentials { sha1: no_keys(), sha256: no_keys() };
    let id = accounts::create(db, localpart, &credentials, NOW_MS).await.unwrap().unwrap();
    vcards::store(db, id, Vcard { xml: format!("<FN>{localpart}</FN>"), photo_sha1: None }).await.unwrap();
    id
}

async fn back_up(db: &Db, place: &Store, at_ms: i64) -> Result<String, Error> {
    create(db, None, place, secrets(), "example.org", NOW_MS + at_ms).await.map(|(id, _)| id)
}

/// What opens each account, as bytes that a copy of it would have.
async fn wrapped_keys(db: &Db) -> Vec<Vec<u8>> {
    let (accounts, snapshot) = (TABLES.last().unwrap(), db.snapshot().await.unwrap());
    let rows = Pages::of(accounts).next(&snapshot).await.unwrap();
    let keys = rows.into_iter().filter_map(|mut row| tables::part_key(accounts, &mut row));
    let bytes = keys.map(|key| {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        bytes.split_off(bytes.len() - 68)
    });
    bytes.collect()
}

/// Everything in a place that the master key opens.
async fn all_that_opens(place: &Store) -> Vec<u8> {
    let mut all = Vec::new();
    for listed in super::super::list(place).await.unwrap() {
        let backup = open(place, Some(&listed.id), secrets()).await.unwrap();
        all.extend(backup.stream("rows").unwrap().rest(usize::MAX).await.unwrap());
    }
    for set in sets(place).await.unwrap() {
        let Some(lock) = set.lock(place).await.unwrap() else { continue };
        let key = BackupKey::unlock(set.folder.as_str(), &lock.header, &secrets()).unwrap();
        let stream = Opening::begin(place, &set.folder, KEYS, &key).unwrap();
        all.extend({ stream }.rest(usize::MAX).await.unwrap());
    }
    all
}

async fn restored(dir: &Path, place: &Store, id: &str) -> Result<(Db, u64), Error> {
    let options = Options::new(secrets().master_keys.clone().unwrap());
    let url = format!("sqlite:{id}.db");
    let db = Db::open(&url, dir, &options).await.unwrap();
    let backup = open(place, Some(id), secrets()).await?;
    let gone = restore(&backup, &db, None, false).await?;
    assert_eq!(verify(&backup).await.unwrap(), Some(gone));
    db.close().await;
    // It was opened with the key of an empty database.
    Ok((Db::open(&url, dir, &options).await.unwrap(), gone))
}

#[tokio::test]
async fn a_deleted_account_opens_in_no_backup_once_another_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let (db, place) = (Db::open_inline(InlineOptions::default()).unwrap(), store(dir.path(), "place"));
    for localpart in ["alice", "mallory", "bob"] {
        account(&db, localpart).await;
    }
    let keys = wrapped_keys(&db).await;
    let first = back_up(&db, &place, 0).await.unwrap();
    let opens = all_that_opens(&place).await;
    assert!(keys.iter().all(|key| opens.windows(key.len()).any(|bytes| bytes == key)), "looking for keys finds them");

    let mallory = accounts::by_localpart(&db, "mallory").await.unwrap().unwrap();
    accounts::delete(&db, mallory.id).await.unwrap();
    back_up(&db, &place, 1_000).await.unwrap();
    let opens = all_that_opens(&place).await;
    let found: Vec<bool> = keys.iter().map(|key| opens.windows(key.len()).any(|bytes| bytes == key)).collect();
    assert_eq!(found, [true, false, true]);

    let (db, gone) = restored(dir.path(), &place, &first).await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(wrapped_keys(&db).await, [keys[0].clone(), keys[2].clone()]);
    let names: Vec<String> =
        accounts::list(&db, None, 10).await.unwrap().into_iter().map(|row| row.localpart).collect();
    assert_eq!(names, ["alice", "bob"]);
    for name in names {
        let row = accounts::by_localpart(&db, &name).await.unwrap().unwrap();
        let vcard = vcards::load(&db, row.id).await.unwrap().unwrap();
        assert_eq!(vcard.xml, format!("<FN>{name}</FN>"));
    }
    assert!(accounts::by_localpart(&db, "mallory").await.unwrap().is_none());
    let table = TABLES.iter().find(|table| table.name == "vcards").unwrap();
    assert_eq!(tables::sum(&db.snapshot().await.unwrap(), table).await.unwrap().rows, 2, "her rows are gone too");
    assert!(account(&db, "mallory").await > mallory.id);
}

#[tokio::test]
async fn keys_that_a_crash_left_open_nothing_or_are_read_along() {
    let dir = tempfile::tempdir().unwrap();
    let (db, place) = (Db::open_inline(InlineOptions::default()).unwrap(), store(dir.path(), "place"));
    account(&db, "alice").await;
    let first = back_up(&db, &place, 0).await.unwrap();
    let old = sets(&place).await.unwrap().pop().unwrap();
    let kept = place.get_bytes(&old.folder.join("keys.00000").unwrap(), 1 << 20).await.unwrap().unwrap();
    let lock = place.get_bytes(&old.folder.join(LOCK).unwrap(), 4096).await.unwrap().unwrap();
    account(&db, "bob").await;
    let second = back_up(&db, &place, 1_000).await.unwrap();
    assert_eq!(sets(&place).await.unwrap().len(), 1, "one set of keys for all backups");

    // A crash before the old set was removed.
    place.put_bytes(&old.folder.join("keys.00000").unwrap(), kept.clone()).await.unwrap();
    place.put_bytes(&old.folder.join(LOCK).unwrap(), lock).await.unwrap();
    let (two, gone) = restored(dir.path(), &place, &second).await.unwrap();
    assert_eq!((accounts::count(&two).await.unwrap(), gone), (2, 0));
    // A crash before the new set was whole: the other one is left alone, this one goes after a day.
    let half = folder("20270115T080000Z-00000000").unwrap();
    place.put_bytes(&half.join("keys.00000").unwrap(), kept).await.unwrap();
    back_up(&db, &place, 2_000).await.unwrap();
    let left: Vec<bool> = sets(&place).await.unwrap().iter().map(|set| set.is_whole).collect();
    assert_eq!(left, [false, true]);
    back_up(&db, &place, 3 * limits::ABANDONED_AFTER_MS).await.unwrap();
    assert_eq!(sets(&place).await.unwrap().len(), 1);
    let (one, gone) = restored(dir.path(), &place, &first).await.unwrap();
    assert_eq!((accounts::count(&one).await.unwrap(), gone), (1, 0));
}

#[tokio::test]
async fn no_backup_takes_the_keys_from_those_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (db, place) = (Db::open_inline(InlineOptions::default()).unwrap(), store(dir.path(), "place"));
    account(&db, "alice").await;
    let first = back_up(&db, &place, 0).await.unwrap();
    account(&db, "bob").await;
    let second = back_up(&db, &place, 1_000).await.unwrap();

    // A new machine whose database was lost, and which goes on making backups.
    let empty = Db::open_inline(InlineOptions::default()).unwrap();
    let refused = back_up(&empty, &place, 2_000).await.unwrap_err();
    assert!(matches!(refused, Error::OtherDeployment(_)), "{refused}");
    // One that was set back by a backup.
    let (earlier, _) = restored(dir.path(), &place, &first).await.unwrap();
    let refused = back_up(&earlier, &place, 3_000).await.unwrap_err();
    assert!(matches!(refused, Error::NewerKeys(_)), "{refused}");
    let (latest, _) = restored(dir.path(), &place, &second).await.unwrap();
    back_up(&latest, &place, 4_000).await.unwrap();
    assert_eq!(super::super::list(&place).await.unwrap().len(), 3, "what was refused began nothing");
}
