//! The reader threads: each has a read-only connection, whose statements see
//! the newest commit when they begin.

use std::sync::Arc;

use rusqlite::Connection;

use super::execute::execute;
use crate::db::{
    Stats,
    job::Read,
    queue::{Consumer, Popped, Queue},
};

pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) stats: Arc<Stats>,
}

impl Reader {
    pub(super) fn run(self, queue: Arc<Queue<Read>>) {
        let jobs = Consumer(queue);
        while let Popped::Job(job) = jobs.0.pop(None) {
            if job.is_abandoned() {
                continue;
            }
            let result = execute(&self.connection, &job.statement).map(|outcome| outcome.rows);
            self.stats.queried();
            job.finish(result);
        }
    }
}
