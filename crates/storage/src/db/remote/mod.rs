//! What PostgreSQL and MySQL share: a writer task that commits for everybody who waits, a bounded number of reader
//! tasks, and what to do while the server is away.

pub(crate) mod address;
pub(crate) mod fault;
pub(super) mod fold;
mod gate;
pub(crate) mod link;
pub(super) mod prepared;
mod readers;
mod snapshot;
pub(super) mod tls;
mod writer;

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use self::{
    address::Address,
    fault::Fault,
    fold::Planner,
    gate::Gate,
    link::{Connection, Link, Role},
};
use super::{
    Error, Options, Stats,
    job::{Read, Submitted, Write},
};
use crate::{
    MasterKeys, Statement,
    dialect::Dialect,
    limits, migrations,
    seal::{self, DeploymentKey},
};

pub(super) use snapshot::Snapshot;

pub(super) struct Remote {
    address: Arc<Address>,
    snapshots: Arc<Semaphore>,
    /// Gone once the database is closed.
    queues: Mutex<Option<Queues>>,
    submitted: Submitted,
    stats: Arc<Stats>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Queues {
    writes: mpsc::Sender<Write>,
    reads: mpsc::Sender<readers::Queued>,
}

impl Remote {
    /// Connects and migrates.
    pub(super) async fn open(address: Address, options: &Options) -> Result<(Self, DeploymentKey), Error> {
        migrations::remote::run(&address).await?;
        let mut writer = Connection::connect(&address, Role::Writer).await?;
        let deployment = deployment_key(&mut writer, &options.master_keys).await?;
        let reader = Connection::connect(&address, Role::Reader).await?;
        let (writes, write_queue) = mpsc::channel(options.write_queue_batches_max.max(1));
        let (reads, read_queue) = mpsc::channel(options.read_queue_queries_max.max(1));
        let address = Arc::new(address);
        let remote = Self {
            address: Arc::clone(&address),
            snapshots: Arc::new(Semaphore::new(limits::SNAPSHOTS_MAX)),
            queues: Mutex::new(Some(Queues { writes, reads })),
            submitted: Submitted::default(),
            stats: Arc::default(),
            tasks: Mutex::default(),
        };
        let gate = Arc::<Gate>::default();
        let link = |role, connection| Link::new(Arc::clone(&address), Arc::clone(&gate), role, connection);
        let writer = writer::Writer {
            link: link(Role::Writer, Some(writer)),
            queue: write_queue,
            group_batches_max: options.group_batches_max.max(1),
            stats: Arc::clone(&remote.stats),
            planner: Planner::default(),
        };
        let mut tasks = vec![tokio::spawn(writer.run())];
        let queue = Arc::new(tokio::sync::Mutex::new(read_queue));
        let mut first = Some(reader);
        for _ in 0..options.remote_readers.max(1) {
            let reader = readers::Reader {
                // The others connect when they are needed.
                link: link(Role::Reader, first.take()),
                queue: Arc::clone(&queue),
                stats: Arc::clone(&remote.stats),
            };
            tasks.push(tokio::spawn(reader.run()));
        }
        *remote.tasks.lock() = tasks;
        Ok((remote, deployment))
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.address.dialect
    }

    pub(super) async fn queue_write(&self, job: Write) -> Result<(), Error> {
        let queue = self.queues()?.writes;
        queue.send(self.submitted.count(job)).await.map_err(|_| Error::Unavailable)
    }

    /// Whether anything that was submitted waits for its commit.
    pub(super) fn has_submitted(&self) -> bool {
        self.submitted.is_any()
    }

    pub(super) async fn queue_query(&self, job: Read) -> Result<(), Error> {
        let sending = self.queues()?.reads;
        let job = (job, Instant::now());
        match tokio::time::timeout(limits::ACQUIRE_TIMEOUT, sending.send(job)).await {
            Ok(sent) => sent.map_err(|_| Error::Unavailable),
            Err(_) => Err(Error::TimedOut),
        }
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let permit = Arc::clone(&self.snapshots).acquire_owned().await.map_err(|_| Error::Unavailable)?;
        Snapshot::open(&self.address, permit).await
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes nothing more; what is queued is still done, then the tasks end.
    pub(super) fn stop(&self) {
        self.snapshots.close();
        self.queues.lock().take();
    }

    pub(super) async fn join(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if task.await.is_err_and(|error| error.is_panic()) {
                tracing::error!("a database task panicked");
            }
        }
    }

    fn queues(&self) -> Result<Queues, Error> {
        self.queues.lock().clone().ok_or(Error::Unavailable)
    }
}

/// The deployment's key, made by whoever opens an empty database first.
///
/// # Errors
/// [`Error::MasterKey`] when another master key wrapped it.
async fn deployment_key(writer: &mut Connection, master: &MasterKeys) -> Result<DeploymentKey, Error> {
    let stored = Statement::new("SELECT wrapped FROM deployment_keys WHERE id = 1", []);
    let create = seal::create_deployment_key(master)?;
    for _ in 0..2 {
        if let Some(mut row) = writer.query(&stored).await.map_err(Fault::into_error)?.into_iter().next() {
            return DeploymentKey::open(master, &row.blob()?);
        }
        // Two nodes may do this at once: one of them comes first, and both read what it wrote.
        writer.query(&create).await.map_err(Fault::into_error)?;
    }
    Err(Error::Corrupt("the deployment's key is missing".into()))
}
