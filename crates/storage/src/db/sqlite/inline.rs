//! SQLite in memory without a thread: statements run inside the future of whoever asks. For simulations, which need
//! every interleaving to follow from a seed.
//!
//! The promises are those of the threads: batches run in the order in which they were queued and share commits, a
//! batch fails alone, a query sees every awaited write, and may or may not see a submitted one that nobody awaited.
//! No lock is held across an await.

use std::{path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Snapshot, execute::execute, open::deployment_key, writer::Writer};
use crate::{
    MasterKeys,
    db::{Error, Outcome, Row, Statement, Stats, job::Write},
    limits, migrations,
    seal::DeploymentKey,
};

/// One call in this many takes virtual time as a slow disk does, instead of turns alone.
const SLOW_ONE_IN: u64 = 8;
/// The longest such call.
const SLOW_MS_MAX: u64 = 40;
/// Turns that other tasks get at most while a call waits for its turn.
const TURNS_MAX: u64 = 4;

/// How an inline database behaves.
#[derive(Debug, Clone, Default)]
pub struct InlineOptions {
    /// From which follow how long each call takes and which calls share a commit.
    pub seed: u64,
    /// Awaited writes, counted from 1, that fail with [`Error::Full`].
    pub full_at: Vec<u64>,
}

pub(in crate::db) struct Inline {
    state: Mutex<State>,
    stats: Arc<Stats>,
}

struct State {
    writer: Writer,
    queued: Vec<Write>,
    random: u64,
    full_at: Vec<u64>,
    awaited: u64,
    closed: bool,
}

impl Inline {
    pub(in crate::db) fn open(
        options: InlineOptions,
        master_keys: &MasterKeys,
    ) -> Result<(Self, DeploymentKey), Error> {
        let connection = Connection::open_in_memory()?;
        connection
            .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;")?;
        connection.set_prepared_statement_cache_capacity(limits::PREPARED_STATEMENTS_MAX);
        migrations::sqlite::run(&connection, master_keys)?;
        let deployment = deployment_key(&connection, master_keys)?;
        let stats = Arc::<Stats>::default();
        let writer = Writer {
            connection,
            wal: PathBuf::new(),
            wal_kept_at: None,
            group_batches_max: usize::MAX,
            stats: Arc::clone(&stats),
        };
        let InlineOptions { seed, full_at } = options;
        let state = State { writer, queued: Vec::new(), random: seed, full_at, awaited: 0, closed: false };
        Ok((Self { state: Mutex::new(state), stats }, deployment))
    }

    /// Gives a batch its place. It is committed by whoever waits for a commit next.
    pub(in crate::db) fn queue_write(
        &self,
        batch: Vec<Statement>,
        answer: Option<oneshot::Sender<Result<Vec<Outcome>, Error>>>,
    ) -> Result<(), Error> {
        self.state.lock().queue(Write::new(batch, answer))
    }

    /// Returns once everything queued so far is committed.
    pub(in crate::db) async fn commit(&self) {
        self.pause().await;
        self.state.lock().commit();
        self.pause().await;
    }

    pub(in crate::db) async fn queue_query(
        &self,
        statement: Statement,
        answer: oneshot::Sender<Result<Vec<Row>, Error>>,
    ) -> Result<(), Error> {
        self.pause().await;
        let result = self.state.lock().query(&statement)?;
        self.stats.queried();
        self.pause().await;
        // The receiver is in the future that called.
        let _ = answer.send(result);
        Ok(())
    }

    pub(in crate::db) fn snapshot(&self) -> Result<Snapshot, Error> {
        let state = self.state.lock();
        if state.closed {
            return Err(Error::Unavailable);
        }
        Snapshot::copy(&state.writer.connection)
    }

    pub(in crate::db) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(in crate::db) fn close(&self) {
        let mut state = self.state.lock();
        state.commit();
        state.closed = true;
    }

    /// Lets others run for a while.
    async fn pause(&self) {
        let (turns, ms) = self.state.lock().pause();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }
}

impl State {
    fn queue(&mut self, job: Write) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Unavailable);
        }
        self.queued.push(job);
        Ok(())
    }

    /// Everything that waits, in one commit; what is to fail, does.
    fn commit(&mut self) {
        let mut group = Vec::new();
        for job in std::mem::take(&mut self.queued) {
            self.awaited = self.awaited.saturating_add(u64::from(job.answer.is_some()));
            match job.answer {
                Some(answer) if self.full_at.contains(&self.awaited) => drop(answer.send(Err(Error::Full))),
                _ => group.push(job),
            }
        }
        if !group.is_empty() {
            self.writer.commit(group);
        }
    }

    fn query(&mut self, statement: &Statement) -> Result<Result<Vec<Row>, Error>, Error> {
        if self.closed {
            return Err(Error::Unavailable);
        }
        // A submitted batch is committed some time later: before this query, or after it.
        if self.draw(2) == 0 {
            self.commit();
        }
        let only_reads = |connection: &Connection| {
            connection.pragma_update(None, "query_only", true)?;
            let result = execute(connection, statement).map(|outcome| outcome.rows);
            connection.pragma_update(None, "query_only", false)?;
            result
        };
        Ok(only_reads(&self.writer.connection))
    }

    fn pause(&mut self) -> (u64, u64) {
        let turns = self.draw(TURNS_MAX).saturating_add(1);
        let slow = self.draw(SLOW_ONE_IN) == 0;
        (turns, if slow { self.draw(SLOW_MS_MAX) } else { 0 })
    }

    /// A number below `bound` (SplitMix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }
}
