//! The people and messages of the stories.

use std::path::Path;

use bytes::Bytes;
use services::Kind;
use storage::{
    AccountId, ArchiveId, Db, InlineOptions, MasterKeys, Options,
    accounts::{self, Credentials, ScramKeys},
    archive::{Direction, Entry},
};

pub struct Backend {
    pub db: Db,
    _dir: Option<tempfile::TempDir>,
}

pub async fn sqlite() -> Backend {
    let dir = tempfile::tempdir().unwrap();
    Backend { db: Db::open("sqlite:whimbrel.db", dir.path(), &options()).await.unwrap(), _dir: Some(dir) }
}

pub async fn inline() -> Backend {
    Backend { db: Db::open_inline(InlineOptions { seed: 7, ..InlineOptions::default() }).unwrap(), _dir: None }
}

pub async fn postgres() -> Backend {
    server(Kind::Postgres).await
}

pub async fn mysql() -> Backend {
    server(Kind::Mariadb).await
}

pub fn options() -> Options {
    Options::new(MasterKeys::one([1; 32]).unwrap())
}

async fn server(kind: Kind) -> Backend {
    let url = kind.shared().unwrap().database().unwrap().url();
    Backend { db: Db::open(&url, Path::new("/"), &options()).await.unwrap(), _dir: None }
}

pub fn credentials(seed: u8) -> Credentials {
    let keys = |number: u8| ScramKeys {
        salt: Bytes::copy_from_slice(&[seed, number]),
        iterations: 4096,
        stored_key: Bytes::copy_from_slice(&[seed; 20]),
        server_key: Bytes::copy_from_slice(&[number; 20]),
    };
    Credentials { sha1: keys(1), sha256: keys(2) }
}

pub const NOW_MS: i64 = 1_700_000_000_000;

pub async fn account(db: &Db, localpart: &str) -> AccountId {
    accounts::create(db, localpart, &credentials(7), NOW_MS).await.unwrap().unwrap()
}

/// The id of the message archived at this many seconds.
pub fn id(seconds: i64) -> ArchiveId {
    ArchiveId::first_at(NOW_MS + seconds * 1000).next()
}

/// An archived message from bob.
pub fn message(owner: AccountId, id: ArchiveId) -> Entry {
    Entry {
        owner,
        id,
        peer: "bob@example.org".into(),
        peer_resource: Some("phone".into()),
        direction: Direction::Received,
        stanza: Bytes::from(format!("<message xmlns='jabber:client'><body>{id}</body></message>")),
        archived: true,
        undelivered: false,
    }
}
