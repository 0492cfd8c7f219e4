//! What waits in the queues of a driver: batches for its writer, queries for its readers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Error, Outcome, Row, Statement, Stats};

pub(super) type BatchResult = Result<Vec<Outcome>, Error>;

/// A batch.
pub(super) struct Write {
    pub(super) batch: Vec<Statement>,
    /// `None` for a submitted batch, which nobody waits for.
    pub(super) answer: Option<oneshot::Sender<BatchResult>>,
    counted: Option<Counted>,
}

impl Write {
    pub(super) fn new(batch: Vec<Statement>, answer: Option<oneshot::Sender<BatchResult>>) -> Self {
        Self { batch, answer, counted: None }
    }

    pub(super) fn is_submitted(&self) -> bool {
        self.answer.is_none()
    }

    pub(super) fn finish(self, result: BatchResult) {
        match (self.answer, result) {
            // Whoever waited may have gone.
            (Some(answer), result) => drop(answer.send(result)),
            (None, Err(error)) => tracing::warn!(%error, "a submitted batch failed"),
            (None, Ok(_)) => {}
        }
    }
}

/// Answers each batch of a group that was committed together, or that was not.
pub(super) fn answer_all(
    group: Vec<Write>,
    results: Result<Vec<BatchResult>, Error>,
    (stats, took): (&Stats, Duration),
) {
    match results {
        Ok(results) => {
            let failed = results.iter().filter(|result| result.is_err()).count();
            stats.committed(results.len(), failed, took);
            for (job, result) in group.into_iter().zip(results) {
                job.finish(result);
            }
        }
        Err(error) => {
            stats.failed();
            tracing::error!(%error, batches = group.len(), "commit failed");
            for job in group {
                job.finish(Err(error.clone()));
            }
        }
    }
}

/// How many submitted batches are queued or being committed.
#[derive(Default)]
pub(super) struct Submitted(Arc<AtomicUsize>);

impl Submitted {
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    /// Counts a submitted batch from now, before it is queued, until it is finished, or refused.
    pub(super) fn count(&self, mut job: Write) -> Write {
        if job.is_submitted() {
            self.0.fetch_add(1, Ordering::AcqRel);
            job.counted = Some(Counted(Arc::clone(&self.0)));
        }
        job
    }
}

/// One of the count.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A statement that only reads.
pub(super) struct Read {
    pub(super) statement: Statement,
    pub(super) answer: oneshot::Sender<Result<Vec<Row>, Error>>,
}

impl Read {
    /// Whether nobody waits for it any more: a session went away.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn finish(self, result: Result<Vec<Row>, Error>) {
        // The receiver may have gone meanwhile.
        let _ = self.answer.send(result);
    }
}
