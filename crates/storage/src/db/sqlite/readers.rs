//! The reader threads: each has a read-only connection, whose statements see
//! the newest commit when they begin.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::execute::execute;
use crate::db::{
    Error, Row, Statement, Stats,
    queue::{Consumer, Popped, Queue},
};

pub(super) struct Job {
    pub(super) statement: Statement,
    pub(super) answer: oneshot::Sender<Result<Vec<Row>, Error>>,
}

pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) stats: Arc<Stats>,
}

impl Reader {
    pub(super) fn run(self, queue: Arc<Queue<Job>>) {
        let jobs = Consumer(queue);
        while let Popped::Job(job) = jobs.0.pop(None) {
            // Nobody waits for it any more: a session went away.
            if job.answer.is_closed() {
                continue;
            }
            let result = execute(&self.connection, &job.statement).map(|outcome| outcome.rows);
            self.stats.queried();
            // The receiver may have gone meanwhile.
            let _ = job.answer.send(result);
        }
    }
}
