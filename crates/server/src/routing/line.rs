//! One line for all messages that are stored: they get their ids, are committed and are delivered in one order.
//!
//! So a mailbox grows at its end only, and a client whose last message has some id has had all before it: what it
//! asks the archive for after that id (XEP-0313) is all it misses. Without it, two commits that end together could be
//! delivered the other way round, and a connection lost in between would lose the first message for that device.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tokio::sync::{MutexGuard, oneshot};

/// The line. Its entrance is held while ids are taken and the write is queued, which is what decides the order.
#[derive(Debug, Default)]
pub struct Line {
    entrance: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next place.
    end: u64,
    /// Whose turn it is.
    turn: u64,
    /// Those behind who wait already.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    /// Those behind who gave up their place: nothing of theirs is delivered.
    gone: BTreeSet<u64>,
}

/// A place in the line. Dropping it lets the next one pass.
#[derive(Debug)]
pub struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    /// Joins the line. Nobody else joins it until the guard is dropped.
    pub async fn join(&self) -> (MutexGuard<'_, ()>, Place<'_>) {
        let entrance = self.entrance.lock().await;
        let number = {
            let mut state = self.state.lock();
            let number = state.end;
            state.end = number.wrapping_add(1);
            number
        };
        (entrance, Place { line: self, number })
    }
}

impl Place<'_> {
    /// Waits until all before have passed.
    pub async fn turn(&self) {
        let comes = {
            let mut state = self.line.state.lock();
            if state.turn == self.number {
                return;
            }
            let (tell, comes) = oneshot::channel();
            state.waiting.insert(self.number, tell);
            comes
        };
        // Nobody but this place's own end throws the other side away.
        let _ = comes.await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.line.state.lock();
        state.waiting.remove(&self.number);
        if state.turn != self.number {
            state.gone.insert(self.number);
            return;
        }
        let mut turn = self.number.wrapping_add(1);
        while state.gone.remove(&turn) {
            turn = turn.wrapping_add(1);
        }
        state.turn = turn;
        if let Some(next) = state.waiting.remove(&turn) {
            // Gone in this moment: its own end lets the one behind pass.
            let _ = next.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn join(line: &Line) -> Place<'_> {
        let (_, place) = line.join().await;
        place
    }

    #[tokio::test]
    async fn whoever_joined_first_passes_first() {
        let line = Arc::new(Line::default());
        let passed = Arc::new(Mutex::new(Vec::new()));
        let first = join(&line).await;
        let mut behind = Vec::new();
        for number in 0..5 {
            let (line, passed) = (line.clone(), passed.clone());
            let (joined, joining) = oneshot::channel();
            behind.push(tokio::spawn(async move {
                let place = join(&line).await;
                joined.send(()).unwrap();
                // The later ones come to their turn before the earlier ones do.
                for _ in number..5 {
                    tokio::task::yield_now().await;
                }
                place.turn().await;
                passed.lock().push(number);
            }));
            joining.await.unwrap();
        }
        first.turn().await;
        assert!(passed.lock().is_empty());
        drop(first);
        for task in behind {
            task.await.unwrap();
        }
        assert_eq!(*passed.lock(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn those_who_leave_hold_nobody_up() {
        let line = Line::default();
        let (first, second, third) = (join(&line).await, join(&line).await, join(&line).await);
        drop(second);
        let mut waiting = Box::pin(third.turn());
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it was the first one's turn"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        waiting.await;
        drop(third);
        join(&line).await.turn().await;
    }
}
