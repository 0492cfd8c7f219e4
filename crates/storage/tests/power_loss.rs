//! The power fails: what was synced is on the disk, what was written after the last sync is there, torn, or not.
//!
//! The write-ahead log only grows until it is checkpointed, so its first bytes are its own past: a copy cut at any
//! place, with anything in the sectors behind the last sync, is a disk after a power loss (SQLite, "Atomic Commit").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, ops::Range, path::Path};

use bytes::Bytes;
use proptest::prelude::*;
use storage::{
    AccountId, ArchiveId, Db, MasterKeys, Options, Statement,
    accounts::{self, Credentials, ScramKeys},
    archive::{self, Direction, Entry},
};

const URL: &str = "sqlite:whimbrel.db";
const FILE: &str = "whimbrel.db";
const LOG: &str = "whimbrel.db-wal";

/// What a disk writes at once, or not at all.
const SECTOR_BYTES: usize = 512;
/// The database's pages.
const PAGE_BYTES: usize = 4096;
/// Times at which everything written so far was awaited.
const ROUNDS: usize = 12;
/// Messages of a round, written by as many tasks, which share commits.
const MESSAGES: usize = 5;

/// A database and how it came about.
struct History {
    /// The file and its log after all rounds, and the file after a checkpoint.
    file: Vec<u8>,
    log: Vec<u8>,
    checkpointed: Vec<u8>,
    /// The log's length before the first round, and when all of each round was awaited.
    synced: Vec<usize>,
    owners: [AccountId; 2],
}

async fn open(dir: &Path) -> Db {
    Db::open(URL, dir, &Options { readers: 1, ..Options::new(MasterKeys::one([1; 32]).unwrap()) }).await.unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn account(db: &Db, localpart: &str) -> AccountId {
    let keys = || ScramKeys {
        salt: Bytes::from_static(b"salt"),
        iterations: 4096,
        stored_key: Bytes::from_static(&[1; 32]),
        server_key: Bytes::from_static(&[2; 32]),
    };
    let credentials = Credentials { sha1: keys(), sha256: keys() };
    accounts::create(db, localpart, &credentials, 0).await.unwrap().unwrap()
}

/// A message from alice to bob: her copy, his copy, and the pointer that it is undelivered.
fn rows([alice, bob]: [AccountId; 2], number: usize) -> Vec<Entry> {
    let row = |owner, peer: &str, direction, undelivered| Entry {
        owner,
        id: ArchiveId::from_i64(1 + i64::try_from(number).unwrap()).unwrap(),
        peer: peer.to_owned(),
        peer_resource: None,
        direction,
        // Some need pages of their own.
        stanza: Bytes::from(vec![b'x'; 200 + number % 7 * 900]),
        archived: true,
        undelivered,
    };
    vec![
        row(alice, "bob@example.org", Direction::Sent, false),
        row(bob, "alice@example.org", Direction::Received, true),
    ]
}

async fn live() -> History {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let owners = [account(&db, "alice").await, account(&db, "bob").await];
    let log_len = || usize::try_from(fs::metadata(dir.path().join(LOG)).unwrap().len()).unwrap();
    let mut synced = vec![log_len()];
    for round in 0..ROUNDS {
        let writes: Vec<_> = (0..MESSAGES)
            .map(|message| {
                let (db, entries) = (db.clone(), rows(owners, round * MESSAGES + message));
                tokio::spawn(async move { archive::append(&db, entries).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
        synced.push(log_len());
    }
    let (file, log) = (fs::read(dir.path().join(FILE)).unwrap(), fs::read(dir.path().join(LOG)).unwrap());
    assert!(synced.is_sorted_by(|a, b| a < b), "the log was checkpointed in between: {synced:?}");
    db.close().await;
    let checkpointed = fs::read(dir.path().join(FILE)).unwrap();
    History { file, log, checkpointed, synced, owners }
}

/// The messages of which a row is there. Each must be there with all its rows.
async fn messages(db: &Db, [alice, bob]: [AccountId; 2]) -> Vec<usize> {
    let numbers = async |sql: &'static str, owner: AccountId| {
        let rows = db.query(Statement::new(sql, [owner.into()])).await.unwrap();
        rows.into_iter().map(|mut row| usize::try_from(row.int().unwrap() - 1).unwrap()).collect::<Vec<_>>()
    };
    let archived = "SELECT id FROM archive WHERE owner = ? ORDER BY id";
    let sent = numbers(archived, alice).await;
    assert_eq!(sent, numbers(archived, bob).await, "half a message");
    let undelivered = numbers("SELECT id FROM undelivered WHERE owner = ? ORDER BY id", bob).await;
    assert_eq!(sent, undelivered, "a message without its pointer");
    sent
}

/// Starts on such a disk; returns the messages there.
fn start_on(file: &[u8], log: &[u8], owners: [AccountId; 2]) -> Vec<usize> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), file).unwrap();
    fs::write(dir.path().join(LOG), log).unwrap();
    block_on(async {
        let db = open(dir.path()).await;
        let found = messages(&db, owners).await;
        // It is a working database: the next message is stored.
        archive::append(&db, rows(owners, 1000)).await.unwrap();
        assert_eq!(messages(&db, owners).await.last(), Some(&1000));
        let check = db.query_one(Statement::new("PRAGMA integrity_check", [])).await.unwrap();
        assert_eq!(check.unwrap().text().unwrap(), "ok");
        db.close().await;
        found
    })
}

fn messages_of(rounds: Range<usize>) -> Range<usize> {
    rounds.start * MESSAGES..rounds.end * MESSAGES
}

/// What the disk did to a sector that was written and not synced.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    Written,
    Zeroed,
    Garbled(u8),
}

fn unsynced() -> impl Strategy<Value = Unsynced> {
    prop_oneof![6 => Just(Unsynced::Written), 1 => Just(Unsynced::Zeroed), 1 => any::<u8>().prop_map(Unsynced::Garbled)]
}

#[test]
fn what_was_awaited_is_there_and_nothing_by_halves_wherever_the_log_is_torn() {
    let history = block_on(live());
    let sectors = history.log.len() / SECTOR_BYTES + 1;
    let case = (0..=ROUNDS, any::<prop::sample::Index>(), prop::collection::vec(unsynced(), sectors));
    proptest!(ProptestConfig::with_cases(48), |((awaited, cut, sectors) in case)| {
        let synced = history.synced[awaited];
        let len = synced + cut.index(history.log.len() - synced + 1);
        let mut log = history.log[..len].to_vec();
        for (sector, fate) in log.chunks_mut(SECTOR_BYTES).zip(sectors).enumerate().filter_map(|(at, (bytes, fate))| {
            // A sector with both synced and unsynced bytes was synced with the former.
            (at * SECTOR_BYTES >= synced).then_some((bytes, fate))
        }) {
            match fate {
                Unsynced::Written => {}
                Unsynced::Zeroed => sector.fill(0),
                Unsynced::Garbled(mask) => sector.iter_mut().for_each(|byte| *byte ^= mask | 1),
            }
        }
        let found = start_on(&history.file, &log, history.owners);
        for number in messages_of(0..awaited) {
            prop_assert!(found.contains(&number), "message {number} was awaited: {found:?}");
        }
        // Later rounds began when earlier ones were awaited: none may be there without all before it.
        let last_round = found.last().map_or(0, |number| number / MESSAGES);
        for number in messages_of(0..last_round) {
            prop_assert!(found.contains(&number), "message {number} is missing, later ones are not: {found:?}");
        }
    });
}

#[test]
fn a_checkpoint_cut_short_loses_nothing() {
    let history = block_on(live());
    let pages = history.checkpointed.len() / PAGE_BYTES;
    // The log is synced before the first page of it is copied, and emptied after the last one is synced.
    let case = (prop::collection::vec(any::<bool>(), pages), 0..=pages);
    proptest!(ProptestConfig::with_cases(24), |((copied, grown) in case)| {
        let mut file = history.file.clone();
        file.resize(file.len().max(grown * PAGE_BYTES), 0);
        for (at, copied) in copied.into_iter().enumerate() {
            let bytes = at * PAGE_BYTES..(at + 1) * PAGE_BYTES;
            if copied && bytes.end <= file.len() {
                file[bytes.clone()].copy_from_slice(&history.checkpointed[bytes]);
            }
        }
        let found = start_on(&file, &history.log, history.owners);
        prop_assert_eq!(found, messages_of(0..ROUNDS).collect::<Vec<_>>());
    });
}

#[tokio::test]
async fn the_writer_syncs_the_log_before_a_write_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for (pragma, expected) in [("PRAGMA synchronous", "2"), ("PRAGMA journal_mode", "wal")] {
        // A write runs on the writer's own connection.
        let outcome = db.execute(Statement::new(pragma, [])).await.unwrap();
        let mut row = outcome.rows.into_iter().next().unwrap();
        let value = if expected == "2" { row.int().unwrap().to_string() } else { row.text().unwrap() };
        assert_eq!(value, expected, "{pragma}");
    }
}
