//! Streams cut at every place, media copied once, and what stays when backups go.

use std::path::Path;
use std::sync::Arc;

use blob::{Name, Store};
use bytes::Bytes;
use storage::{Db, InlineOptions, MasterKeys, Options};

use super::key::BackupKey;
use super::stream::{Opening, Sealing};
use super::*;
use crate::segments::SEGMENT_BYTES;

fn store(dir: &Path, name: &str) -> Store {
    Store::open(&format!("file:{name}"), dir, None).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Those that a database in memory is sealed with.
fn secrets() -> Arc<Secrets> {
    Arc::new(Secrets { master_keys: Some(MasterKeys::one([1; 32]).unwrap()), passphrase: None })
}

/// Bytes of a stream of these many bytes, read back.
async fn through(
    place: &Store,
    key: &BackupKey,
    folder: &str,
    bytes: &[u8],
    volume_segments: u64,
) -> Result<Bytes, Error> {
    let folder = name(folder);
    let mut stream = Sealing::begin(place, &folder, "rows", key)?.volumes_of(volume_segments);
    for piece in bytes.chunks(50_000) {
        stream.write(piece).await?;
    }
    stream.finish().await?;
    Opening::begin(place, &folder, "rows", key)?.rest(usize::MAX).await
}

#[tokio::test]
async fn a_stream_of_any_length_comes_back_from_several_objects() {
    let dir = tempfile::tempdir().unwrap();
    let (place, (key, _)) = (store(dir.path(), "place"), BackupKey::create("id", &secrets()).unwrap());
    let bytes: Vec<u8> = (0..5 * SEGMENT_BYTES + 1).map(|at| (at % 251) as u8).collect();
    for (number, len) in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 4 * SEGMENT_BYTES, bytes.len()]
        .into_iter()
        .enumerate()
    {
        let back = through(&place, &key, &format!("s{number}"), &bytes[..len], 2).await.unwrap();
        assert!(back == bytes[..len], "{len} bytes");
    }
}

#[tokio::test]
async fn objects_that_are_missing_swapped_or_too_many_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (place, (key, _)) = (store(dir.path(), "place"), BackupKey::create("id", &secrets()).unwrap());
    let bytes = vec![7; 5 * SEGMENT_BYTES];
    through(&place, &key, "s", &bytes, 1).await.unwrap();
    let volume = |number: u32| name(&format!("s/rows.{number:05}"));
    let get = async |number| place.get_bytes(&volume(number), 100_000).await.unwrap().unwrap();
    let read = async || Opening::begin(&place, &name("s"), "rows", &key).unwrap().rest(usize::MAX).await;
    let (first, second, last) = (get(0).await, get(1).await, get(4).await);

    place.delete(&volume(4)).await.unwrap();
    assert!(matches!(read().await, Err(Error::Damaged { .. })), "the last object is missing");
    place.put_bytes(&volume(4), last.clone()).await.unwrap();
    place.put_bytes(&volume(5), last).await.unwrap();
    assert!(matches!(read().await, Err(Error::Damaged { .. })), "there is one too many");
    place.delete(&volume(5)).await.unwrap();
    place.put_bytes(&volume(0), second).await.unwrap();
    place.put_bytes(&volume(1), first).await.unwrap();
    assert!(matches!(read().await, Err(Error::Damaged { .. })), "two are swapped");
}

#[tokio::test]
async fn media_are_copied_once_and_go_with_the_last_backup_that_needs_them() {
    let dir = tempfile::tempdir().unwrap();
    let (media, place, secrets) = (store(dir.path(), "media"), store(dir.path(), "place"), secrets());
    let db = Db::open_inline(InlineOptions::default()).unwrap();
    let back_up =
        async |at_ms| create(&db, Some(&media), &place, Arc::clone(&secrets), "example.org", at_ms).await.unwrap();
    media.put_bytes(&name("one"), Bytes::from_static(b"1")).await.unwrap();
    media.put_bytes(&name("two"), Bytes::from_static(b"22")).await.unwrap();
    let (first, manifest) = back_up(1_000_000).await;
    assert_eq!(manifest.media, 2);
    media.delete(&name("one")).await.unwrap();
    media.put_bytes(&name("three"), Bytes::from_static(b"333")).await.unwrap();
    // What is there already is not read again: this one could not be.
    place.put_bytes(&name("media/two"), Bytes::from_static(b"xx")).await.unwrap();
    let (second, manifest) = back_up(2_000_000).await;
    assert_eq!(manifest.media, 2);
    assert_eq!(place.get_bytes(&name("media/two"), 9).await.unwrap().unwrap(), "xx");

    let restored = store(dir.path(), "restored");
    let empty =
        Db::open("sqlite:restored.db", dir.path(), &Options::new(secrets.master_keys.clone().unwrap())).await.unwrap();
    let backup = open(&place, Some(&first), Arc::clone(&secrets)).await.unwrap();
    restore(&backup, &empty, Some(&restored), false).await.unwrap();
    assert_eq!(restored.get_bytes(&name("one"), 9).await.unwrap().unwrap(), "1");
    assert_eq!(restored.head(&name("three")).await.unwrap(), None);

    assert_eq!(prune(&place, 1, &secrets, 3_000_000).await.unwrap(), [first]);
    assert_eq!(place.head(&name("media/one")).await.unwrap(), None, "no backup needs it");
    assert!(place.head(&name("media/two")).await.unwrap().is_some());
    place.delete(&name("media/two")).await.unwrap();
    let backup = open(&place, Some(&second), secrets).await.unwrap();
    let refused = verify(&backup).await.unwrap_err().to_string();
    assert!(refused.contains("medium two is missing"), "{refused}");
}

#[tokio::test]
async fn what_was_never_finished_is_no_backup_and_goes_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let (place, secrets) = (store(dir.path(), "place"), secrets());
    let db = Db::open_inline(InlineOptions::default()).unwrap();
    let back_up = async |at_ms| create(&db, None, &place, Arc::clone(&secrets), "example.org", at_ms).await.unwrap().0;
    let whole = back_up(1_000_000).await;
    let half = back_up(2_000_000).await;
    place.delete(&name(&format!("{half}/manifest.00000"))).await.unwrap();
    assert_eq!(open(&place, None, Arc::clone(&secrets)).await.unwrap().id, whole);
    assert!(matches!(open(&place, Some(&half), Arc::clone(&secrets)).await, Err(Error::Unfinished(_))));
    assert!(prune(&place, 1, &secrets, 3_000_000).await.unwrap().is_empty(), "it may be under way");
    assert_eq!(prune(&place, 1, &secrets, 3_000_000 + limits::ABANDONED_AFTER_MS).await.unwrap(), [half]);
    assert_eq!(list(&place).await.unwrap().len(), 1);
}
