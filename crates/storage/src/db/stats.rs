//! What the writer does, as counters for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Counters of a [`Db`](crate::Db) since it was opened.
#[derive(Debug, Default)]
pub struct Stats {
    groups: AtomicU64,
    groups_failed: AtomicU64,
    batches: AtomicU64,
    batches_failed: AtomicU64,
    group_batches_max: AtomicU64,
    commit_nanos: AtomicU64,
    commit_nanos_max: AtomicU64,
    queries: AtomicU64,
}

/// A reading of [`Stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Time from `BEGIN` to the end of `COMMIT`, summed over all groups.
    pub commit_time: Duration,
    /// The longest such time.
    pub commit_time_max: Duration,
    /// Queries answered.
    pub queries: u64,
}

impl Stats {
    /// What the counters say now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            groups: self.groups.load(Relaxed),
            groups_failed: self.groups_failed.load(Relaxed),
            batches: self.batches.load(Relaxed),
            batches_failed: self.batches_failed.load(Relaxed),
            group_batches_max: self.group_batches_max.load(Relaxed),
            commit_time: Duration::from_nanos(self.commit_nanos.load(Relaxed)),
            commit_time_max: Duration::from_nanos(self.commit_nanos_max.load(Relaxed)),
            queries: self.queries.load(Relaxed),
        }
    }

    pub(super) fn committed(&self, batches: usize, batches_failed: usize, took: Duration) {
        let batches = u64::try_from(batches).unwrap_or(u64::MAX);
        self.groups.fetch_add(1, Relaxed);
        self.batches.fetch_add(batches, Relaxed);
        self.batches_failed.fetch_add(u64::try_from(batches_failed).unwrap_or(u64::MAX), Relaxed);
        self.group_batches_max.fetch_max(batches, Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.commit_nanos.fetch_add(nanos, Relaxed);
        self.commit_nanos_max.fetch_max(nanos, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.groups_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn queried(&self) {
        self.queries.fetch_add(1, Relaxed);
    }
}
