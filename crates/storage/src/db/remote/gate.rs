//! What to do while the database server is away: one caller at a time tries to reach it, at growing intervals; whoever
//! asks in between learns at once that it is unavailable. Nothing waits in the dark, and nothing has to be restarted.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{db::Error, limits};

/// Shared by all connections to one server.
#[derive(Default)]
pub(super) struct Gate {
    outage: Mutex<Option<Outage>>,
}

struct Outage {
    failures: u32,
    next_try: Instant,
}

impl Gate {
    /// Lets the caller try to connect, or says that it is not yet time to.
    pub(super) fn enter(&self, now: Instant) -> Result<(), Error> {
        let mut outage = self.outage.lock();
        match outage.as_mut() {
            None => Ok(()),
            Some(outage) if now < outage.next_try => Err(Error::Unavailable),
            Some(outage) => {
                // The others wait at least for what comes of this attempt.
                outage.next_try = after(now, limits::CONNECT_TIMEOUT);
                Ok(())
            }
        }
    }

    pub(super) fn reached(&self) {
        if self.outage.lock().take().is_some() {
            tracing::info!("the database is back");
        }
    }

    /// Notes that an attempt failed.
    pub(super) fn failed(&self, now: Instant, error: &Error) {
        let mut outage = self.outage.lock();
        let failures = outage.as_ref().map_or(0, |outage| outage.failures);
        if failures == 0 {
            tracing::error!(%error, "the database cannot be reached; trying again");
        }
        let wait = backoff(failures, RandomState::new().hash_one(0));
        *outage = Some(Outage { failures: failures.saturating_add(1), next_try: after(now, wait) });
    }
}

/// Doubles with each failure up to a bound; between half of it and all of it, so that nodes do not come in step.
fn backoff(failures: u32, random: u64) -> Duration {
    let doubled = limits::RECONNECT_WAIT_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let longest = doubled.min(limits::RECONNECT_WAIT_MAX);
    let half = longest.checked_div(2).unwrap_or(longest);
    let jitter_ms = random.checked_rem(u64::try_from(half.as_millis()).unwrap_or(u64::MAX)).unwrap_or(0);
    half.saturating_add(Duration::from_millis(jitter_ms))
}

fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_at_a_time_tries_and_the_others_learn_at_once() {
        let gate = Gate::default();
        let now = Instant::now();
        gate.enter(now).unwrap();
        gate.enter(now).unwrap();
        gate.failed(now, &Error::Unavailable);
        assert_eq!(gate.enter(now), Err(Error::Unavailable));
        let later = now + limits::RECONNECT_WAIT_MAX;
        gate.enter(later).unwrap();
        assert_eq!(gate.enter(later), Err(Error::Unavailable));
        gate.reached();
        gate.enter(later).unwrap();
    }

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        assert!(backoff(0, 0) < backoff(3, 0));
        assert!(backoff(0, 1) != backoff(0, 2));
        for failures in 0..100 {
            assert!(backoff(failures, u64::MAX) <= limits::RECONNECT_WAIT_MAX);
        }
    }
}
