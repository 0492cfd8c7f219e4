//! Numbers that many tasks count up at once: relaxed, and each on a cache line of its own, so that counting one does not
//! hold up who counts another.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Goes up.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Gauge(AtomicI64);

/// One that is there; it counts until this is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a Gauge);

impl Gauge {
    /// One more, until what is given back is dropped.
    pub fn enter(&self) -> Counted<'_> {
        self.0.fetch_add(1, Relaxed);
        Counted(self)
    }

    /// How many there are.
    pub fn read(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
