//! A histogram as Prometheus has it: how many observations were at most how large, their number and their sum. Counting
//! takes two relaxed additions and no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts observations by the bounds that they are within. `N` is one more than there are bounds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64],
    /// Observations above the bound before and at most at this one; the last is for what is above all.
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

/// A reading of a [`Histogram`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Each bound, with how many observations were at most as large.
    pub within: Vec<(u64, u64)>,
    /// How many observations there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// `bounds` ascend, and are one fewer than `N`.
    pub const fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }

    /// Counts one observation.
    pub fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// What was observed so far.
    pub fn read(&self) -> Observed {
        let mut total = 0_u64;
        let mut within = Vec::with_capacity(self.bounds.len());
        for (place, count) in self.counts.iter().enumerate() {
            total = total.saturating_add(count.load(Relaxed));
            if let Some(bound) = self.bounds.get(place) {
                within.push((*bound, total));
            }
        }
        Observed { within, count: total, sum: self.sum.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_for_every_bound_it_is_within() {
        let histogram = Histogram::<4>::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 1_000] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read.within, [(1, 2), (10, 4), (100, 5)]);
        assert_eq!((read.count, read.sum), (6, 1_024));
    }
}
