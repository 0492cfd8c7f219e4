//! The reader tasks: each has a connection of its own, and all take from one queue.

use std::{sync::Arc, time::Instant};

use tokio::sync::{Mutex, mpsc};

use super::{fault::Fault, link::Link};
use crate::{
    db::{Error, Row, Statement, Stats, job::Read},
    limits,
};

/// A query and since when it waits.
pub(super) type Queued = (Read, Instant);

pub(super) struct Reader {
    pub(super) link: Link,
    pub(super) queue: Arc<Mutex<mpsc::Receiver<Queued>>>,
    pub(super) stats: Arc<Stats>,
}

impl Reader {
    pub(super) async fn run(mut self) {
        loop {
            let next = self.queue.lock().await.recv().await;
            let Some((job, since)) = next else { return };
            if job.is_abandoned() {
                continue;
            }
            if since.elapsed() > limits::ACQUIRE_TIMEOUT {
                job.finish(Err(Error::TimedOut));
                continue;
            }
            let result = self.query(&job.statement).await;
            self.stats.queried();
            job.finish(result);
        }
    }

    /// Reading again does no harm: a connection that was closed while idle costs nobody an answer.
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, Error> {
        let mut again = true;
        loop {
            match self.link.connection().await?.query(statement).await {
                Ok(rows) => return Ok(rows),
                Err(Fault::Undone(error) | Fault::Refused(error)) => return Err(error),
                Err(Fault::Lost { why, .. }) => self.link.lost(&why),
            }
            if !std::mem::replace(&mut again, false) {
                return Err(Error::Unavailable);
            }
        }
    }
}
