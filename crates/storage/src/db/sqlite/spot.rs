//! Reading on the spot: on the thread of whoever asks, without a way to another thread and back, which costs several
//! times what a short query on warm pages does.
//!
//! That thread serves other tasks too, so what it may cost them is bounded: few at a time, each broken off after a
//! number of steps, and none for a while after two in a row that took long, as on a cold disk (one alone was mostly just
//! not given the processor). What is not answered here takes the way to the reader threads, errors too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::execute::execute;
use crate::{
    db::{Error, Row, Statement},
    limits,
};

/// SQLite's steps between two looks at how many there were.
const STRIDE_STEPS: i32 = 1000;

pub(super) struct Spots {
    spots: Vec<Mutex<Option<Spot>>>,
    pace: Mutex<Pace>,
}

#[derive(Default)]
struct Pace {
    last_was_slow: bool,
    /// Not before then.
    again_at: Option<Instant>,
}

struct Spot {
    connection: Connection,
    /// Strides of the present query.
    strides: Arc<AtomicU32>,
}

impl Spots {
    pub(super) fn new(connections: impl IntoIterator<Item = Connection>) -> Result<Self, Error> {
        let spots = connections.into_iter().map(|connection| Ok(Mutex::new(Some(Spot::new(connection)?))));
        Ok(Self { spots: spots.collect::<Result<_, Error>>()?, pace: Mutex::default() })
    }

    /// The rows; `None` if the statement should be queued for a reader thread.
    pub(super) fn query(&self, statement: &Statement) -> Option<Vec<Row>> {
        let started = Instant::now();
        if self.pace.lock().again_at.is_some_and(|again_at| started < again_at) {
            return None;
        }
        let mut guard = self.spots.iter().find_map(Mutex::try_lock)?;
        let rows = guard.as_mut()?.query(statement);
        self.pace.lock().ran(started, started.elapsed());
        rows
    }

    pub(super) fn close(&self) {
        self.spots.iter().for_each(|spot| *spot.lock() = None);
    }
}

impl Pace {
    fn ran(&mut self, started: Instant, took: Duration) {
        let is_slow = took > limits::SPOT_READ_MAX;
        if is_slow && self.last_was_slow {
            self.again_at = started.checked_add(took.saturating_mul(limits::SPOT_READ_PAUSE_TIMES));
        }
        self.last_was_slow = is_slow;
    }
}

impl Spot {
    fn new(mut connection: Connection) -> Result<Self, Error> {
        // A reader thread may wait for a lock, this one must not.
        connection.busy_timeout(Duration::ZERO)?;
        let strides = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&strides);
        let is_too_long = move || counted.fetch_add(1, Ordering::Relaxed) >= limits::SPOT_READ_STRIDES_MAX;
        connection.progress_handler(STRIDE_STEPS, Some(is_too_long))?;
        Ok(Self { connection, strides })
    }

    fn query(&self, statement: &Statement) -> Option<Vec<Row>> {
        self.strides.store(0, Ordering::Relaxed);
        Some(execute(&self.connection, statement).ok()?.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_spot() -> Spots {
        Spots::new([Connection::open_in_memory().unwrap()]).unwrap()
    }

    fn short() -> Statement {
        Statement::new("SELECT 7", [])
    }

    #[test]
    fn a_short_query_is_answered_on_the_spot() {
        let spots = one_spot();
        for _ in 0..2 {
            let rows = spots.query(&short()).unwrap();
            assert_eq!(rows.into_iter().next().unwrap().int(), Ok(7));
        }
    }

    #[test]
    fn a_query_of_many_steps_is_broken_off() {
        let spots = one_spot();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        assert!(spots.query(&Statement::new(endless, [])).is_none());
    }

    #[test]
    fn after_two_slow_queries_in_a_row_all_take_the_long_way_for_a_while() {
        let spots = one_spot();
        let (now, slow) = (Instant::now(), Duration::from_secs(60));
        spots.pace.lock().ran(now, slow);
        assert!(spots.query(&short()).is_some());
        spots.pace.lock().ran(now, slow);
        spots.pace.lock().ran(now, slow);
        assert!(spots.query(&short()).is_none());
        spots.pace.lock().again_at = Some(now);
        assert!(spots.query(&short()).is_some());
    }

    #[test]
    fn wrong_closed_or_in_use_it_answers_nothing() {
        let spots = one_spot();
        assert!(spots.query(&Statement::new("SELECT nonsense", [])).is_none());
        let in_use = spots.spots[0].lock();
        assert!(spots.query(&short()).is_none());
        drop(in_use);
        spots.close();
        assert!(spots.query(&short()).is_none());
    }
}
