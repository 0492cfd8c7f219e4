//! What appending to the archive costs: `cargo run --release -p storage --example append`, on SQLite in a temporary
//! folder, or on the empty database whose URL follows.
//!
//! For several numbers of sessions that write at once, prints rows per second,
//! rows per commit and processor time per row. A row is a message of 500 bytes,
//! and every other one has an undelivered pointer.
#![allow(clippy::print_stdout, reason = "a measuring program")]

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use storage::{
    AccountId, Db, IdSource, MasterKeys, Options, StatsSnapshot,
    accounts::{self, Credentials, ScramKeys},
    archive::{Direction, Entry, append},
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite:append.db".to_owned());
    let db = Db::open(&url, dir.path(), &Options::new(MasterKeys::one([1; 32])?)).await?;
    let mut owners = Vec::new();
    for number in 0..SESSIONS_MAX * 2 {
        let created = accounts::create(&db, &format!("user{number}"), &credentials(), 0).await?;
        owners.push(created.ok_or("the account exists already")?);
    }
    let owners = Arc::<[AccountId]>::from(owners);
    let ids = Arc::new(IdSource::seeded(4711));
    for (sessions, messages) in [(1, 1_000), (16, 500), (64, 400), (256, 200), (SESSIONS_MAX, 100)] {
        let before = db.stats().snapshot();
        let (started, cpu) = (Instant::now(), processor_secs());
        let writers: Vec<_> = owners
            .chunks(2)
            .zip(0..sessions)
            .map(|(pair, session)| {
                let pair = pair.iter().copied().zip([Direction::Sent, Direction::Received]).collect();
                tokio::spawn(write(db.clone(), Arc::clone(&ids), pair, session, messages))
            })
            .collect();
        for writer in writers {
            writer.await??;
        }
        report(sessions, messages * 2 * sessions, started, processor_secs() - cpu, before, db.stats().snapshot());
    }
    db.close().await;
    Ok(())
}

/// Each message is stored for its sender and its recipient.
async fn write(
    db: Db,
    ids: Arc<IdSource>,
    pair: Vec<(AccountId, Direction)>,
    session: i64,
    messages: i64,
) -> Result<(), storage::Error> {
    let stanza = Bytes::from(vec![b'x'; 500]);
    for number in 0..messages {
        let entry = |&(owner, direction): &(AccountId, Direction)| Entry {
            owner,
            id: ids.next(1_700_000_000_000 + number),
            peer: format!("user{session}@example.org"),
            peer_resource: Some("phone".to_owned()),
            direction,
            stanza: stanza.clone(),
            archived: true,
            undelivered: direction == Direction::Received,
        };
        append(&db, pair.iter().map(entry).collect()).await?;
    }
    Ok(())
}

const SESSIONS_MAX: i64 = 1000;

fn credentials() -> Credentials {
    let keys = || ScramKeys { salt: Bytes::new(), iterations: 0, stored_key: Bytes::new(), server_key: Bytes::new() };
    Credentials { sha1: keys(), sha256: keys() }
}

fn report(sessions: i64, rows: i64, started: Instant, cpu_secs: f64, before: StatsSnapshot, after: StatsSnapshot) {
    let secs = started.elapsed().as_secs_f64();
    let commits = after.groups - before.groups;
    println!(
        "{sessions:>5} sessions: {:>7.0} rows/s, {:>6.1} rows/commit, {:>6.2} ms/commit, {:>5.1} µs processor/row",
        rows as f64 / secs,
        rows as f64 / commits as f64,
        (after.commit_time - before.commit_time).as_secs_f64() * 1e3 / commits as f64,
        cpu_secs * 1e6 / rows as f64,
    );
}

/// Processor time of this process, from `/proc/self/stat`; 0 where there is none.
fn processor_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
