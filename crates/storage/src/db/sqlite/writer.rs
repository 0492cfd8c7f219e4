//! The writer thread: takes every batch that waits, commits once, then answers
//! all. A batch that fails is undone alone.

use std::{path::PathBuf, sync::Arc, time::Instant};

use rusqlite::Connection;

use super::execute::{command, execute};
use crate::{
    db::{
        Error, Statement, Stats,
        job::{BatchResult, Write, answer_all},
        queue::{Consumer, Popped, Queue},
    },
    limits,
};

/// Commits between two looks at the size of the write-ahead log.
const WAL_LOOK_COMMITS: u64 = 64;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) wal: PathBuf,
    /// When readers last kept the log from being emptied.
    pub(super) wal_kept_at: Option<Instant>,
    pub(super) group_batches_max: usize,
    pub(super) stats: Arc<Stats>,
}

impl Writer {
    pub(super) fn run(mut self, queue: Arc<Queue<Write>>) {
        let jobs = Consumer(queue);
        let mut commits: u64 = 0;
        while let Popped::Job(first) = jobs.0.pop(None) {
            let group = self.gather(first, &jobs.0);
            self.commit(group);
            commits = commits.wrapping_add(1);
            if commits.is_multiple_of(WAL_LOOK_COMMITS) {
                self.bound_wal();
            }
        }
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "checkpoint at close failed; the next start will replay the log");
        }
    }

    /// Everything that waits. As long as nobody waits for an answer, stays a
    /// while for somebody who does.
    fn gather(&self, first: Write, queue: &Queue<Write>) -> Vec<Write> {
        let now = Instant::now();
        let held_until = now.checked_add(limits::SUBMITTED_HELD_MAX).unwrap_or(now);
        let mut awaited = !first.is_submitted();
        let mut group = vec![first];
        while group.len() < self.group_batches_max {
            let hold = !awaited && group.len() < limits::SUBMITTED_BATCHES_MAX;
            let Popped::Job(job) = queue.pop(Some(if hold { held_until } else { now })) else { break };
            awaited |= !job.is_submitted();
            group.push(job);
        }
        group
    }

    /// Commits once for all and answers each.
    pub(super) fn commit(&self, group: Vec<Write>) {
        let started = Instant::now();
        let results = self.run_group(&group);
        if results.is_err() {
            self.roll_back();
        }
        answer_all(group, results, (&self.stats, started.elapsed()));
    }

    /// The result of each batch, or why none of them is stored.
    ///
    /// A savepoint makes SQLite copy each page that a batch touches, and batches
    /// hardly ever fail: so first without, and only if one fails, all again with.
    fn run_group(&self, group: &[Write]) -> Result<Vec<BatchResult>, Error> {
        command(&self.connection, "BEGIN IMMEDIATE")?;
        let results: Result<Vec<_>, Error> = group.iter().map(|job| self.run_batch(&job.batch)).collect();
        let results = match results {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(_) => {
                self.roll_back();
                command(&self.connection, "BEGIN IMMEDIATE")?;
                group.iter().map(|job| self.run_in_savepoint(&job.batch)).collect::<Result<_, _>>()?
            }
        };
        command(&self.connection, "COMMIT")?;
        Ok(results)
    }

    /// The batch's own result, or why the whole group is lost.
    fn run_in_savepoint(&self, batch: &[Statement]) -> Result<BatchResult, Error> {
        command(&self.connection, "SAVEPOINT batch")?;
        let result = self.run_batch(batch);
        if let Err(error) = &result {
            // Out of disk or memory, SQLite may have rolled back the transaction.
            if self.connection.is_autocommit() {
                return Err(error.clone());
            }
            command(&self.connection, "ROLLBACK TO batch")?;
        }
        command(&self.connection, "RELEASE batch")?;
        Ok(result)
    }

    fn run_batch(&self, batch: &[Statement]) -> BatchResult {
        batch.iter().map(|statement| execute(&self.connection, statement)).collect()
    }

    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = command(&self.connection, "ROLLBACK") {
            tracing::error!(%error, "rollback failed");
        }
    }

    /// Readers that overlap without a pause keep the log from starting over; beyond its bound, they are waited for. Not
    /// for long, and not again and again: a snapshot may be read for many minutes.
    fn bound_wal(&mut self) {
        let wal_bytes = std::fs::metadata(&self.wal).map_or(0, |metadata| metadata.len());
        let pausing = self.wal_kept_at.is_some_and(|kept_at| kept_at.elapsed() < limits::WAL_EMPTY_PAUSE);
        if wal_bytes <= limits::WAL_BYTES_MAX || pausing {
            return;
        }
        match self.empty_wal() {
            Ok(true) => self.wal_kept_at = None,
            Ok(false) => self.wal_kept_at = Some(Instant::now()),
            Err(error) => tracing::warn!(%error, wal_bytes, "the write-ahead log could not be emptied"),
        }
    }

    /// False if a reader was in the way.
    fn empty_wal(&self) -> Result<bool, Error> {
        self.connection.busy_timeout(limits::WAL_EMPTY_TIMEOUT)?;
        let blocked = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(limits::BUSY_TIMEOUT)?;
        Ok(blocked? == 0)
    }
}
