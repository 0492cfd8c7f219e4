//! Filling the archive: every message of another account than the one before it, so that an account's messages lie as
//! far from each other as they can.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use storage::accounts::{self, Credentials, ScramKeys};
use storage::archive::{self, Direction, Entry};
use storage::{AccountId, Db, IdSource};
use tokio::task::JoinSet;

/// Accounts that have far more messages than others.
const HEAVY: usize = 5;
/// One in so many messages is for one of them.
const HEAVY_SHARE: u64 = 20;
/// With whom each account talks.
pub(super) const PEERS: u64 = 20;
/// When the first message was sent, and how long they went on: Unix milliseconds, a year.
pub(super) const BEGIN_MS: i64 = 1_700_000_000_000;
pub(super) const SPAN_MS: i64 = 365 * 24 * 3600 * 1000;
/// Messages of a batch.
const BATCH: u64 = 1_000;
const WRITERS: usize = 4;
const ACCOUNTS_AT_A_TIME: usize = 512;
/// Says what the folder holds, and is written last.
const NOTE: &str = "filled.txt";

/// How much is to be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) messages: u64,
    pub(super) accounts: usize,
}

/// A filled archive.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    owners: Arc<[AccountId]>,
    pub(super) ids: Arc<IdSource>,
}

impl Archive {
    /// Any account, one in twenty times one that has many messages; the same that the filling picked.
    pub(super) fn any(&self, chance: &mut Chance) -> AccountId {
        let (few, many) = self.owners.split_at_checked(self.owners.len().saturating_sub(HEAVY)).unwrap_or_default();
        let from = if chance.below(HEAVY_SHARE) == 0 && !many.is_empty() { many } else { few };
        let number = chance.below(u64::try_from(from.len()).unwrap_or(1));
        usize::try_from(number).ok().and_then(|number| from.get(number)).copied().unwrap_or(AccountId(1))
    }

    /// A message for an owner's mailbox.
    pub(super) fn entry(&self, (owner, at_ms): (AccountId, i64), chance: &mut Chance) -> Entry {
        let direction = if chance.below(2) == 0 { Direction::Sent } else { Direction::Received };
        Entry {
            owner,
            id: self.ids.next(at_ms),
            peer: peer(owner, chance.below(PEERS)),
            peer_resource: Some("phone".to_owned()),
            direction,
            stanza: stanza(chance),
            archived: true,
            undelivered: direction == Direction::Received && chance.below(50) == 0,
        }
    }
}

/// With whom an account talks: somebody by number below [`PEERS`].
pub(super) fn peer(owner: AccountId, number: u64) -> String {
    format!("user{}-{number}@bench.example", owner.0)
}

/// Between 300 and 700 bytes.
fn stanza(chance: &mut Chance) -> Bytes {
    let len = usize::try_from(300 + chance.below(400)).unwrap_or(500);
    Bytes::from(vec![b'x'; len])
}

/// The archive in this folder, filled if it is not.
pub(super) async fn filled(db: &Db, folder: &Path, wanted: Wanted) -> Result<Archive> {
    let note = folder.join(NOTE);
    let said = format!("{} messages", wanted.messages);
    if let Ok(text) = fs::read_to_string(&note) {
        let mut lines = text.lines();
        if lines.next() != Some(&said) {
            bail!("{} holds another archive: remove it, or ask for the same --count", folder.display());
        }
        let owners: Vec<_> = lines.map(|line| Ok(AccountId(line.parse()?))).collect::<Result<_>>()?;
        let archive = Archive { owners: owners.into(), ids: Arc::new(IdSource::seeded(2)) };
        let newest = archive::newest(db).await?.context("an empty archive")?;
        archive.ids.go_past(newest);
        return Ok(archive);
    }
    let owners = create_accounts(db, wanted.accounts + HEAVY).await?;
    let archive = Archive { owners: owners.into(), ids: Arc::new(IdSource::seeded(1)) };
    let started = Instant::now();
    write_all(db, &archive, wanted.messages).await?;
    eprintln!("filled in {:.0} s", started.elapsed().as_secs_f64());
    let owners = archive.owners.iter().map(|owner| format!("{}\n", owner.0)).collect::<String>();
    fs::write(note, format!("{said}\n{owners}"))?;
    Ok(archive)
}

async fn create_accounts(db: &Db, count: usize) -> Result<Vec<AccountId>> {
    let started = Instant::now();
    let mut owners = Vec::with_capacity(count);
    let numbers: Vec<_> = (0..count).collect();
    for numbers in numbers.chunks(ACCOUNTS_AT_A_TIME) {
        let mut creating = JoinSet::new();
        for &number in numbers {
            let db = db.clone();
            creating
                .spawn(async move { accounts::create(&db, &format!("user{number}"), &credentials(), BEGIN_MS).await });
        }
        while let Some(created) = creating.join_next().await {
            owners.push(created??.context("the folder holds an archive that was not finished: remove it")?);
        }
    }
    owners.sort_unstable();
    eprintln!("{count} accounts in {:.0} s", started.elapsed().as_secs_f64());
    Ok(owners)
}

/// Nobody logs in.
fn credentials() -> Credentials {
    let keys = || ScramKeys { salt: Bytes::new(), iterations: 0, stored_key: Bytes::new(), server_key: Bytes::new() };
    Credentials { sha1: keys(), sha256: keys() }
}

async fn write_all(db: &Db, archive: &Archive, messages: u64) -> Result<()> {
    let batches = messages.div_ceil(BATCH);
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (db, archive, next) = (db.clone(), archive.clone(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches {
                    return anyhow::Ok(());
                }
                let mut chance = Chance::new(batch);
                let first = batch * BATCH;
                let numbers = first..messages.min(first + BATCH);
                let entry = |number| {
                    let at_ms = BEGIN_MS + i64::try_from(number).unwrap_or(0) * SPAN_MS / i64::try_from(messages)?;
                    let owner = archive.any(&mut chance);
                    Ok(archive.entry((owner, at_ms), &mut chance))
                };
                archive::append(&db, numbers.map(entry).collect::<Result<_>>()?).await?;
                if batch > 0 && batch.is_multiple_of(batches.div_ceil(20)) {
                    eprintln!("{} messages in {:.0} s", batch * BATCH, started.elapsed().as_secs_f64());
                }
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok(())
}

/// Numbers that look random and are the same every time (xorshift64*).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below this one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end.max(1)
    }
}
