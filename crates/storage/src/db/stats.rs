//! What a database does, as counters for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{Histogram, Observed};

/// Microseconds of a commit.
const COMMIT_MICROS: &[u64] = &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];
/// Batches in a commit.
const BATCHES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Counters of a [`Db`](crate::Db) since it was opened.
#[derive(Debug)]
pub struct Stats {
    groups_failed: AtomicU64,
    batches_failed: AtomicU64,
    group_batches_max: AtomicU64,
    commit_nanos_max: AtomicU64,
    queries: AtomicU64,
    connected: AtomicU64,
    lost: AtomicU64,
    commit_micros: Histogram<12>,
    batches: Histogram<10>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            groups_failed: AtomicU64::default(),
            batches_failed: AtomicU64::default(),
            group_batches_max: AtomicU64::default(),
            commit_nanos_max: AtomicU64::default(),
            queries: AtomicU64::default(),
            connected: AtomicU64::default(),
            lost: AtomicU64::default(),
            commit_micros: Histogram::new(COMMIT_MICROS),
            batches: Histogram::new(BATCHES),
        }
    }
}

/// A reading of [`Stats`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Commits that succeeded.
    pub groups: u64,
    /// Commits that failed, each with all of its batches.
    pub groups_failed: u64,
    /// Batches in the commits that succeeded, failed batches included.
    pub batches: u64,
    /// Batches that failed alone, in a commit that succeeded.
    pub batches_failed: u64,
    /// The most batches that shared a commit.
    pub group_batches_max: u64,
    /// Time from `BEGIN` to the end of `COMMIT`, summed over all groups; to the microsecond of each.
    pub commit_time: Duration,
    /// The longest such time.
    pub commit_time_max: Duration,
    /// Queries answered.
    pub queries: u64,
    /// Connections made to a database server after the first ones; none for SQLite.
    pub connected: u64,
    /// Connections to a database server that were lost.
    pub lost: u64,
    /// Microseconds from `BEGIN` to the end of `COMMIT`.
    pub commit_micros: Observed,
    /// Batches that shared a commit.
    pub batches_of_commit: Observed,
}

/// What waits for a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Batches that wait for the writer.
    pub batches: usize,
    /// Queries that wait for a reader.
    pub queries: usize,
}

impl Stats {
    /// What the counters say now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let (commit_micros, batches_of_commit) = (self.commit_micros.read(), self.batches.read());
        StatsSnapshot {
            groups: batches_of_commit.count,
            groups_failed: self.groups_failed.load(Relaxed),
            batches: batches_of_commit.sum,
            batches_failed: self.batches_failed.load(Relaxed),
            group_batches_max: self.group_batches_max.load(Relaxed),
            commit_time: Duration::from_micros(commit_micros.sum),
            commit_time_max: Duration::from_nanos(self.commit_nanos_max.load(Relaxed)),
            queries: self.queries.load(Relaxed),
            connected: self.connected.load(Relaxed),
            lost: self.lost.load(Relaxed),
            commit_micros,
            batches_of_commit,
        }
    }

    pub(super) fn committed(&self, batches: usize, batches_failed: usize, took: Duration) {
        let batches = u64::try_from(batches).unwrap_or(u64::MAX);
        self.batches.observe(batches);
        self.batches_failed.fetch_add(u64::try_from(batches_failed).unwrap_or(u64::MAX), Relaxed);
        self.group_batches_max.fetch_max(batches, Relaxed);
        self.commit_micros.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.commit_nanos_max.fetch_max(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn failed(&self) {
        self.groups_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn queried(&self) {
        self.queries.fetch_add(1, Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(super) fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }
}
