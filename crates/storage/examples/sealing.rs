//! What sealing costs: `cargo run --release -p storage --example sealing [FOLDER]`, on SQLite in a new folder there.
//!
//! Prints a line for each kind of work: processor time in microseconds sealed, and not sealed, which only a build for
//! tests can do. The two take turns, and what is printed are medians.
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a measuring program, which nobody else feeds")]

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use storage::{
    AccountId, Db, IdSource, MasterKeys, Options,
    accounts::{self, Credentials, ScramKeys},
    archive::{self, Direction, Entry, Filter, Paging, append},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 5;
const PAIRS: i64 = 16;
/// Messages of each pair.
const MESSAGES: i64 = 1_000;
/// How often each archive is read.
const READ_TIMES: i64 = 10;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut found = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        found[0].push(measure(&parent, MasterKeys::one([1; 32])?).await?);
        found[1].push(measure(&parent, MasterKeys::unsealed()?).await?);
    }
    for (work, name) in ["message stored for two", "page of 50 read", "page of 250 read"].into_iter().enumerate() {
        let [sealed, plain] = found.each_ref().map(|rounds| median(rounds.iter().map(|round| round[work]).collect()));
        println!("{name}: {sealed:.2} {plain:.2}");
    }
    Ok(())
}

/// Microseconds of processor for a message that is stored in two mailboxes, and for pages of 50 and 250.
async fn measure(parent: &std::path::Path, keys: MasterKeys) -> Result<[f64; 3], Error> {
    let dir = tempfile::tempdir_in(parent)?;
    let db = Db::open("sqlite:sealing.db", dir.path(), &Options::new(keys)).await?;
    let mut owners = Vec::new();
    for number in 0..PAIRS * 2 {
        let created = accounts::create(&db, &format!("user{number}"), &credentials(), 0).await?;
        owners.push(created.ok_or("the account exists already")?);
    }
    let ids = Arc::new(IdSource::seeded(4711));
    let before = processor_micros();
    let writers: Vec<_> = owners
        .chunks(2)
        .map(|pair| {
            let pair = pair.iter().copied().zip([Direction::Sent, Direction::Received]).collect();
            tokio::spawn(write(db.clone(), Arc::clone(&ids), pair))
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    let stored = (processor_micros() - before) / (PAIRS * MESSAGES) as f64;
    let pages = [read(&db, &owners, 50).await?, read(&db, &owners, 250).await?];
    db.close().await;
    Ok([stored, pages[0], pages[1]])
}

/// Each message is stored for its sender and its recipient.
async fn write(db: Db, ids: Arc<IdSource>, pair: Vec<(AccountId, Direction)>) -> Result<(), storage::Error> {
    let stanza = Bytes::from(vec![b'x'; 500]);
    for number in 0..MESSAGES {
        let entry = |&(owner, direction): &(AccountId, Direction)| Entry {
            owner,
            id: ids.next(1_700_000_000_000 + number),
            peer: "somebody@example.org".to_owned(),
            peer_resource: Some("phone".to_owned()),
            direction,
            stanza: stanza.clone(),
            archived: true,
            undelivered: false,
        };
        append(&db, pair.iter().map(entry).collect()).await?;
    }
    Ok(())
}

/// Everybody reads his archive from end to end.
async fn read(db: &Db, owners: &[AccountId], size: u32) -> Result<f64, Error> {
    let (before, mut pages) = (processor_micros(), 0);
    for _ in 0..READ_TIMES {
        for owner in owners {
            let mut paging = Paging::first(size);
            loop {
                let page = archive::page(db, *owner, &Filter::default(), &paging).await?.ok_or("a message is gone")?;
                pages += 1;
                paging.after = page.messages.last().map(|message| message.id);
                if page.complete {
                    break;
                }
            }
        }
    }
    Ok((processor_micros() - before) / f64::from(pages))
}

/// Nobody logs in.
fn credentials() -> Credentials {
    let keys = || ScramKeys { salt: Bytes::new(), iterations: 0, stored_key: Bytes::new(), server_key: Bytes::new() };
    Credentials { sha1: keys(), sha256: keys() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of this process's threads, from `/proc/self/task`; none has ended while it is asked for.
fn processor_micros() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1_000.0
}
