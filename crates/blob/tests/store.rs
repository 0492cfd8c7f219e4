//! What every store must do: each story runs on a folder and on Garage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    path::Path,
    sync::{Mutex, OnceLock, Weak},
};

use blob::{Credentials, Error, Name, Store, limits};
use bytes::Bytes;
use services::Garage;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

async fn whole(store: &Store, name: &Name) -> Option<Vec<u8>> {
    let mut reader = store.get(name).await.unwrap()?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(bytes.len() as u64, reader.object_bytes());
    Some(bytes)
}

async fn range(store: &Store, name: &Name, start: u64, end: u64) -> Vec<u8> {
    let mut reader = store.get_range(name, start, end).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

async fn listed(store: &Store, under: Option<&str>) -> Vec<(String, u64)> {
    let under = under.map(name);
    let mut names = store.list(under.as_ref());
    let mut all = Vec::new();
    while let Some(stored) = names.next().await.unwrap() {
        all.push((stored.name.to_string(), stored.bytes));
    }
    all.sort();
    all
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
}

async fn an_object_comes_back_as_it_went_in(store: Store) {
    store.check().await.unwrap();
    for (number, len) in [0, 1, 1000, limits::READ_BYTES + 1].into_iter().enumerate() {
        let name = name(&format!("small/{number}"));
        store.put_bytes(&name, pattern(len)).await.unwrap();
        assert_eq!(whole(&store, &name).await.unwrap(), pattern(len), "{len} bytes");
        assert_eq!(store.head(&name).await.unwrap(), Some(len as u64));
        assert_eq!(store.get_bytes(&name, len).await.unwrap().unwrap(), pattern(len));
    }
    assert!(store.get_bytes(&name("small/2"), 999).await.is_err(), "larger than it may be");
    store.put_bytes(&name("small/2"), Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(whole(&store, &name("small/2")).await.unwrap(), b"new");
}

async fn a_large_object_is_written_in_pieces(store: Store) {
    let (piece, pieces) = (pattern(700_001), 2 * limits::PART_BYTES / 700_001 + 2);
    let name = name("large");
    let mut writer = store.put(&name).await.unwrap();
    for _ in 0..pieces {
        writer.write(piece.clone()).await.unwrap();
    }
    assert_eq!(store.head(&name).await.unwrap(), None, "no name before it is finished");
    assert_eq!(writer.finish().await.unwrap(), (piece.len() * pieces) as u64);
    assert_eq!(whole(&store, &name).await.unwrap(), piece.repeat(pieces));
}

async fn a_range_is_part_of_an_object(store: Store) {
    let (name, bytes) = (name("ranged"), pattern(1000));
    store.put_bytes(&name, bytes.clone()).await.unwrap();
    for (start, end) in [(0, 1), (10, 20), (990, 1000), (990, 5000), (0, u64::MAX), (5, 5), (1000, 1001), (5000, 6000)]
    {
        let expected = &bytes[(start as usize).min(1000)..(end.min(1000) as usize).max((start as usize).min(1000))];
        assert_eq!(range(&store, &name, start, end).await, expected, "{start}..{end}");
    }
    assert!(store.get_range(&self::name("missing"), 0, 1).await.unwrap().is_none());
}

async fn what_is_not_there_is_no_error(store: Store) {
    let missing = name("never/written");
    assert!(whole(&store, &missing).await.is_none());
    assert_eq!(store.head(&missing).await.unwrap(), None);
    store.delete(&missing).await.unwrap();
    assert!(listed(&store, Some("never")).await.is_empty());
    store.put_bytes(&missing, Bytes::from_static(b"now")).await.unwrap();
    store.delete(&missing).await.unwrap();
    store.delete(&missing).await.unwrap();
    assert!(whole(&store, &missing).await.is_none());
}

async fn objects_are_listed_by_the_front_of_their_names(store: Store) {
    for number in 0..30 {
        store.put_bytes(&name(&format!("a/{number}")), pattern(number)).await.unwrap();
    }
    for other in ["ab", "b/a/1", "b/c"] {
        store.put_bytes(&name(other), pattern(3)).await.unwrap();
    }
    let mut expected: Vec<_> = (0..30).map(|number| (format!("a/{number}"), number as u64)).collect();
    expected.sort();
    assert_eq!(listed(&store, Some("a")).await, expected);
    assert_eq!(listed(&store, Some("b")).await, [("b/a/1".into(), 3), ("b/c".into(), 3)]);
    assert_eq!(listed(&store, None).await.len(), 33);
}

async fn an_object_that_is_given_up_leaves_nothing(store: Store) {
    let mut writer = store.put(&name("given-up")).await.unwrap();
    writer.write(pattern(limits::PART_BYTES + 1)).await.unwrap();
    drop(writer);
    assert!(listed(&store, None).await.is_empty());
    assert_eq!(store.head(&name("given-up")).await.unwrap(), None);
}

async fn two_writers_of_one_name_leave_one_whole_object(store: Store) {
    let shared = name("shared");
    let write = async |byte: u8| {
        let mut writer = store.put(&shared).await.unwrap();
        for _ in 0..20 {
            writer.write(Bytes::from(vec![byte; 10_000])).await.unwrap();
        }
        writer.finish().await.unwrap();
    };
    tokio::join!(write(1), write(2));
    let bytes = whole(&store, &shared).await.unwrap();
    assert_eq!(bytes.len(), 200_000);
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
}

fn folder(dir: &Path) -> Store {
    Store::open("file:objects", dir, None).unwrap()
}

/// One node for all stories that run at a time.
fn garage() -> std::sync::Arc<Garage> {
    static SHARED: OnceLock<Mutex<Weak<Garage>>> = OnceLock::new();
    let mut shared = SHARED.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let garage = std::sync::Arc::new(Garage::start().unwrap());
        *shared = std::sync::Arc::downgrade(&garage);
        garage
    })
}

fn credentials(garage: &Garage) -> Option<Credentials> {
    let (access_key_id, secret_access_key) = (garage.access_key_id.clone(), garage.secret_access_key.clone());
    Some(Credentials { access_key_id, secret_access_key })
}

macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod in_a_folder {$(
            #[tokio::test]
            async fn $story() {
                let dir = tempfile::tempdir().unwrap();
                super::$story(super::folder(dir.path())).await;
            }
        )*}
        mod in_garage {$(
            #[tokio::test]
            async fn $story() {
                let garage = tokio::task::spawn_blocking(super::garage).await.unwrap();
                let url = garage.url(&stringify!($story).replace('_', "-"));
                super::$story(super::Store::open(&url, "".as_ref(), super::credentials(&garage)).unwrap()).await;
            }
        )*}
    };
}

stories! {
    an_object_comes_back_as_it_went_in,
    a_large_object_is_written_in_pieces,
    a_range_is_part_of_an_object,
    what_is_not_there_is_no_error,
    objects_are_listed_by_the_front_of_their_names,
    an_object_that_is_given_up_leaves_nothing,
    two_writers_of_one_name_leave_one_whole_object,
}

#[test]
fn a_url_that_names_no_store_is_refused_in_one_line() {
    let someone = || Some(Credentials { access_key_id: "id".into(), secret_access_key: "hidden".into() });
    for (url, said) in [
        ("", "that is no URL"),
        ("file:", "names no folder"),
        ("ftp://host", "unknown scheme"),
        ("s3://", "names no bucket"),
        ("s3://id:hidden@bucket", "credentials do not belong in it"),
        ("s3://bucket/../x y?region=r", "the prefix is no name"),
        ("s3://bucket?endpoint=host", "the endpoint is no URL"),
        ("s3://bucket?regoin=r", "unknown parameter \"regoin\""),
    ] {
        let refused = Store::open(url, Path::new(""), someone()).unwrap_err().to_string();
        assert!(refused.contains(said) && !refused.contains("hidden") && !refused.contains('\n'), "{url}: {refused}");
    }
    let refused = Store::open("s3://bucket?region=r", Path::new(""), None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "s3://bucket/ needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    );
}

#[tokio::test]
async fn a_folder_keeps_its_files_to_its_owner_and_cleans_up() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = folder(dir.path());
    store.put_bytes(&name("media/one"), pattern(10)).await.unwrap();
    let half_written: Vec<_> = std::fs::read_dir(dir.path().join("objects/.new")).unwrap().collect();
    assert!(half_written.is_empty());
    let fan = std::fs::read_dir(dir.path().join("objects/media")).unwrap().next().unwrap().unwrap().path();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&fan), mode(&fan.join("one"))), (0o700, 0o600));
}

#[tokio::test]
async fn a_bucket_that_is_missing_and_a_key_that_is_wrong_are_said_clearly() {
    let garage = tokio::task::spawn_blocking(garage).await.unwrap();
    let elsewhere = Store::open(&garage.url_of("nowhere", ""), Path::new(""), credentials(&garage)).unwrap();
    assert!(
        matches!(elsewhere.check().await, Err(Error::NoBucket(_) | Error::Denied { .. })),
        "{:?}",
        elsewhere.check().await
    );
    let stranger = Credentials { access_key_id: garage.access_key_id.clone(), secret_access_key: "wrong".into() };
    let refused = Store::open(&garage.url("x"), Path::new(""), Some(stranger)).unwrap().check().await.unwrap_err();
    assert!(matches!(refused, Error::Denied { .. }), "{refused:?}");
    assert!(!refused.to_string().contains('\n'), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_a_passing_failure() {
    let port = services::free_port().unwrap();
    let url = format!("s3://bucket?endpoint=http://127.0.0.1:{port}&region=r");
    let someone = Credentials { access_key_id: "id".into(), secret_access_key: "hidden".into() };
    let away = Store::open(&url, Path::new(""), Some(someone)).unwrap().check().await.unwrap_err();
    assert!(away.is_temporary(), "{away:?}");
}
