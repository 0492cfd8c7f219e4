//! SQLite: one writer thread, a few reader threads, write-ahead log, and short reads on the spot; [`inline`] for
//! simulations has no threads.

mod execute;
mod inline;
mod open;
mod readers;
mod snapshot;
mod spot;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    Error, Options, Row, Statement, Stats,
    job::{Read, Submitted, Write},
    queue::Queue,
};
use crate::{limits, seal::DeploymentKey};

pub(crate) use execute::{execute, for_each};
pub(super) use inline::Inline;
pub use inline::InlineOptions;
pub(super) use snapshot::Snapshot;

pub(super) struct Sqlite {
    path: PathBuf,
    writes: Arc<Queue<Write>>,
    submitted: Submitted,
    reads: Arc<Queue<Read>>,
    spots: spot::Spots,
    snapshots: Arc<Semaphore>,
    stats: Arc<Stats>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, options: &Options) -> Result<(Self, DeploymentKey), Error> {
        let (connection, deployment) = open::writer(path, options)?;
        let spots = (0..limits::SPOTS).map(|_| open::reader(path)).collect::<Result<Vec<_>, _>>()?;
        let spots = spot::Spots::new(spots)?;
        let driver = Self {
            path: path.to_owned(),
            writes: Arc::new(Queue::new(options.write_queue_batches_max)),
            submitted: Submitted::default(),
            reads: Arc::new(Queue::new(options.read_queue_queries_max)),
            spots,
            snapshots: Arc::new(Semaphore::new(limits::SNAPSHOTS_MAX)),
            stats: Arc::default(),
            threads: Mutex::default(),
        };
        let mut threads = Vec::new();
        for number in 1..=options.readers.max(1) {
            let reader = readers::Reader { connection: open::reader(path)?, stats: Arc::clone(&driver.stats) };
            let queue = Arc::clone(&driver.reads);
            threads.push(spawn(format!("db-reader-{number}"), move || reader.run(queue))?);
        }
        let writer = writer::Writer {
            connection,
            wal: open::wal_path(path),
            wal_kept_at: None,
            group_batches_max: options.group_batches_max.max(1),
            stats: Arc::clone(&driver.stats),
        };
        let queue = Arc::clone(&driver.writes);
        threads.push(spawn("db-writer".to_owned(), move || writer.run(queue))?);
        *driver.threads.lock() = threads;
        Ok((driver, deployment))
    }

    pub(super) async fn queue_write(&self, job: Write) -> Result<(), Error> {
        let job = self.submitted.count(job);
        if job.is_submitted() { self.writes.push_unhurried(job).await } else { self.writes.push(job).await }
    }

    /// Whether anything that was submitted waits for its commit.
    pub(super) fn has_submitted(&self) -> bool {
        self.submitted.is_any()
    }

    pub(super) async fn queue_query(&self, job: Read) -> Result<(), Error> {
        self.reads.push(job).await
    }

    /// The rows of a statement that reads, at once; `None` if it must be queued.
    pub(super) fn query_on_the_spot(&self, statement: &Statement) -> Option<Vec<Row>> {
        let rows = self.spots.query(statement)?;
        self.stats.queried();
        Some(rows)
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let permit = Arc::clone(&self.snapshots).acquire_owned().await.map_err(|_| Error::Unavailable)?;
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || Snapshot::open(&path, permit)).await.map_err(|_| Error::Unavailable)?
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(super) fn stop(&self) {
        self.spots.close();
        self.snapshots.close();
        self.reads.close();
        self.writes.close();
    }

    /// Waits for the threads: the readers first, so that the writer's last
    /// checkpoint finds no reader in its way.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a database thread panicked");
            }
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    Ok(std::thread::Builder::new().name(name).spawn(run)?)
}
