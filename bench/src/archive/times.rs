//! How long many calls took, in three figures.

use std::fmt;
use std::time::Duration;

/// Times of calls.
#[derive(Debug)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// So many in a thousand were faster.
    fn at(&self, share: usize) -> f64 {
        let place = (self.0.len() * share / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most, all) = (self.at(500), self.at(990), self.at(1000));
        write!(f, "p50 {half:.2} ms, p99 {most:.2} ms, longest {all:.1} ms")
    }
}
