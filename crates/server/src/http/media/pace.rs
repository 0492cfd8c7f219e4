//! How slow a transfer may be: who sends or takes nothing for a while is left, and so is who does so drop by drop.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::limits::Limits;

/// A transfer under way.
pub(super) struct Pace {
    begun: Instant,
    bytes: u64,
    stall: Duration,
    bytes_per_sec_min: u64,
}

/// Why no more came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The connection broke.
    Broken,
    /// It was too slow.
    Slow,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            begun: Instant::now(),
            bytes: 0,
            stall: Duration::from_secs(limits.transfer_stall_secs),
            bytes_per_sec_min: limits.transfer_bytes_per_sec_min,
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(super) async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, Halt> {
        loop {
            match timeout(self.stall, body.frame()).await {
                Err(_) => return Err(Halt::Slow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Halt::Broken),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        self.passed(bytes.len())?;
                        return Ok(Some(bytes));
                    }
                    // Trailers.
                    _ => {}
                },
            }
        }
    }

    /// So many bytes more.
    pub(super) fn passed(&mut self, bytes: usize) -> Result<(), Halt> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.is_fast_enough(self.begun.elapsed()).then_some(()).ok_or(Halt::Slow)
    }

    fn is_fast_enough(&self, elapsed: Duration) -> bool {
        elapsed <= self.stall || self.bytes >= elapsed.as_secs().saturating_mul(self.bytes_per_sec_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_what_stays_below_the_rate_after_a_while() {
        let mut pace = Pace::new(&Limits::default());
        assert!(pace.is_fast_enough(Duration::from_secs(30)));
        assert!(!pace.is_fast_enough(Duration::from_secs(31)));
        pace.passed(100 * 1_024).unwrap();
        assert!(pace.is_fast_enough(Duration::from_secs(100)));
        assert!(!pace.is_fast_enough(Duration::from_secs(101)));
    }
}
