//! What waits in the queues of a driver: batches for its writer, queries for its readers.

use tokio::sync::oneshot;

use super::{Error, Outcome, Row, Statement};

pub(super) type BatchResult = Result<Vec<Outcome>, Error>;

/// A batch.
pub(super) struct Write {
    pub(super) batch: Vec<Statement>,
    /// `None` for a submitted batch, which nobody waits for.
    pub(super) answer: Option<oneshot::Sender<BatchResult>>,
}

impl Write {
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
