//! The writer task: takes every batch that waits, commits once, then answers all. A batch that fails is undone alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    fault::Fault,
    fold::{Planner, Step},
    link::{Connection, Link},
};
use crate::{
    db::{
        Error, Outcome, Statement, Stats,
        job::{BatchResult, Write, answer_all},
    },
    limits,
};

/// The pause before a group is repeated for the first time; it grows with each repetition.
const REPEAT_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Writer {
    pub(super) link: Link,
    pub(super) queue: mpsc::Receiver<Write>,
    pub(super) group_batches_max: usize,
    pub(super) stats: Arc<Stats>,
    pub(super) planner: Planner,
}

impl Writer {
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let group = self.gather(first).await;
            self.commit(group).await;
        }
    }

    /// Everything that waits. As long as nobody waits for an answer, stays a while for somebody who does.
    async fn gather(&mut self, first: Write) -> Vec<Write> {
        let now = tokio::time::Instant::now();
        let held_until = now.checked_add(limits::SUBMITTED_HELD_MAX).unwrap_or(now);
        let mut awaited = !first.is_submitted();
        let mut group = vec![first];
        while group.len() < self.group_batches_max {
            let job = match self.queue.try_recv() {
                Ok(job) => job,
                Err(_) if awaited || group.len() >= limits::SUBMITTED_BATCHES_MAX => break,
                Err(_) => match tokio::time::timeout_at(held_until, self.queue.recv()).await {
                    Ok(Some(job)) => job,
                    Ok(None) | Err(_) => break,
                },
            };
            awaited |= !job.is_submitted();
            group.push(job);
        }
        group
    }

    /// Commits once for all and answers each.
    async fn commit(&mut self, group: Vec<Write>) {
        let started = Instant::now();
        let results = self.run_group(&group).await;
        answer_all(group, results, (&self.stats, started.elapsed()));
    }

    /// The result of each batch, or why none of them is stored (or, if the connection was lost, perhaps is).
    async fn run_group(&mut self, group: &[Write]) -> Result<Vec<BatchResult>, Error> {
        let batches: Vec<&[Statement]> = group.iter().map(|job| job.batch.as_slice()).collect();
        let steps = self.planner.plan(group.iter().map(|job| (job.batch.as_slice(), job.is_submitted())));
        let mut repeats = 0;
        loop {
            let connection = self.link.connection().await?;
            let fault = match run_once(connection, &batches, &steps).await {
                Ok(results) => return Ok(results),
                Err(fault) => fault,
            };
            repeats += 1;
            let error = match fault {
                Fault::Lost { why, undone } => {
                    self.link.lost(&why);
                    // A connection that was closed while idle shows itself at the next BEGIN.
                    if !undone || repeats > 1 {
                        return Err(Error::Unavailable);
                    }
                    continue;
                }
                Fault::Undone(error) => error,
                Fault::Refused(error) => {
                    // After a failover the address may lead to another server than this connection does.
                    if error == Error::ReadOnly {
                        self.link.lost("the server takes no writes");
                    }
                    return Err(error);
                }
            };
            if repeats > limits::GROUP_REPEATS_MAX {
                return Err(error);
            }
            tokio::time::sleep(REPEAT_PAUSE.saturating_mul(repeats)).await;
        }
    }
}

/// Batches hardly ever fail: so first all together, and only if one fails, each in a savepoint.
async fn run_once(
    connection: &mut Connection,
    batches: &[&[Statement]],
    steps: &[Step<'_>],
) -> Result<Vec<BatchResult>, Fault> {
    match connection.commit_all(steps).await {
        Ok(outcomes) => Ok(hand_out(batches, steps, outcomes)),
        Err(Fault::Refused(error)) if batches.len() == 1 && error != Error::ReadOnly => Ok(vec![Err(error)]),
        Err(Fault::Refused(_)) => connection.commit_each(batches).await,
        Err(fault) => Err(fault),
    }
}

/// From the outcomes of steps to those of statements.
fn hand_out(batches: &[&[Statement]], steps: &[Step<'_>], outcomes: Vec<Outcome>) -> Vec<BatchResult> {
    let statements = batches.iter().map(|batch| batch.len()).sum();
    let mut of_statements: Vec<Outcome> = Vec::new();
    of_statements.resize_with(statements, Outcome::default);
    for (step, outcome) in steps.iter().zip(outcomes) {
        match *step.members() {
            [only] => {
                if let Some(place) = of_statements.get_mut(only) {
                    *place = outcome;
                }
            }
            // Each inserted one row. What each deletion removed, nobody asked.
            ref members => {
                for member in members {
                    if let Some(place) = of_statements.get_mut(*member) {
                        place.rows_affected = 1;
                    }
                }
            }
        }
    }
    let mut rest = of_statements.into_iter();
    batches.iter().map(|batch| Ok(rest.by_ref().take(batch.len()).collect())).collect()
}
