//! The waist: run this SQL. What is above it knows no driver, what is below it
//! knows no aggregate.
//!
//! One thread (or for a database server one task) writes and commits for everybody
//! who waits (group commit), a few read what cannot be read on the spot. Both have
//! bounded queues. A simulation does without threads.

mod error;
mod job;
mod mysql;
mod postgres;
mod queue;
pub(crate) mod remote;
mod row;
mod snapshot;
mod sqlite;
mod statement;
mod stats;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicI64},
};

use tokio::sync::oneshot;

pub use error::Error;
pub use row::{Outcome, Row};
pub use snapshot::Snapshot;
pub use sqlite::InlineOptions;
pub(crate) use sqlite::{execute, for_each};
pub use statement::{Statement, Value};
pub use stats::{Stats, StatsSnapshot};

use self::{
    job::{Read, Write},
    remote::{Remote, address::Address},
};
use crate::{
    AccountId, Fingerprint, MasterKeys, Reread,
    dialect::Dialect,
    limits,
    seal::{DataKey, Keyring},
    tables,
};

/// How a database is used; the defaults are those of [`limits`].
#[derive(Debug, Clone)]
pub struct Options {
    /// What the keys in the database are wrapped with.
    pub master_keys: MasterKeys,
    /// Where to look for newer master keys, when a key turns up that these did not wrap.
    pub reread: Option<Reread>,
    /// Reader threads of SQLite; at least 1.
    pub readers: usize,
    /// Connections to a database server that read; at least 1, and one more writes.
    pub remote_readers: usize,
    /// Batches that may wait for the writer.
    pub write_queue_batches_max: usize,
    /// Queries that may wait for a reader.
    pub read_queue_queries_max: usize,
    /// Batches that share one commit.
    pub group_batches_max: usize,
    /// The password for a database server, in place of the one in the URL.
    pub password: Option<Password>,
    /// SQLite's size in pages of 4 KiB beyond which writes fail with
    /// [`Error::Full`]; for operators with little room, and tests.
    pub pages_max: Option<u32>,
    /// Open also what another command was filling as a whole and did not finish, instead of refusing it: for those who
    /// fill it.
    pub filling: bool,
}

impl Options {
    /// The defaults, with these keys.
    pub fn new(master_keys: MasterKeys) -> Self {
        Self {
            master_keys,
            reread: None,
            readers: limits::READERS,
            remote_readers: limits::REMOTE_READERS,
            write_queue_batches_max: limits::WRITE_QUEUE_BATCHES_MAX,
            read_queue_queries_max: limits::READ_QUEUE_QUERIES_MAX,
            group_batches_max: limits::GROUP_BATCHES_MAX,
            password: None,
            pages_max: None,
            filling: false,
        }
    }
}

/// A password that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(
    /// As it is sent.
    pub String,
);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What a storage URL names.
pub(crate) enum Location {
    File(PathBuf),
    Server(Box<Address>),
}

/// Reads a storage URL. A relative file is in `data_dir`.
pub(crate) fn locate(url: &str, data_dir: &Path, password: Option<&Password>) -> Result<Location, Error> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let dialect = match scheme {
        "sqlite" => return Ok(Location::File(data_dir.join(rest.strip_prefix("//").unwrap_or(rest)))),
        "postgres" | "postgresql" => Dialect::Postgres,
        "mysql" | "mariadb" => Dialect::Mysql,
        other => return Err(Error::Scheme { scheme: other.to_owned() }),
    };
    let password = password.map(|password| password.0.as_str());
    Ok(Location::Server(Box::new(Address::parse(dialect, url, password, data_dir)?)))
}

/// A storage URL as it may be shown: a database server without user, password and options.
pub fn without_password(url: &str) -> String {
    match locate(url, Path::new(""), None) {
        Ok(Location::File(_)) => url.to_owned(),
        Ok(Location::Server(address)) => address.to_string(),
        // Whatever it is, it may hold a password.
        Err(_) => format!("{}:...", url.split(':').next().unwrap_or_default()),
    }
}

/// A batch that has its place among the writes.
#[must_use = "whether it is stored is not known yet"]
pub struct Queued {
    answered: oneshot::Receiver<Result<Vec<Outcome>, Error>>,
    driver: Arc<Driver>,
}

impl Queued {
    /// Returns once the batch is durable: an outcome for each statement, in order.
    pub async fn durable(self) -> Result<Vec<Outcome>, Error> {
        if let Driver::Inline(driver) = &*self.driver {
            driver.commit().await;
        }
        self.answered.await.map_err(|_| Error::Unavailable)?
    }
}

/// An open database. Clones share it; when the last one goes, what is queued is
/// still written, but only [`close`](Db::close) waits for that.
#[derive(Clone)]
pub struct Db {
    driver: Arc<Driver>,
    keys: Arc<Keyring>,
    /// The last id that was noted in the database; -1 for none by this process.
    pub(crate) archive_mark: Arc<AtomicI64>,
}

enum Driver {
    Threads(sqlite::Sqlite),
    Remote(Remote),
    Inline(sqlite::Inline),
}

impl Db {
    /// Opens the database at `url`, creating (SQLite) and migrating it as needed. A
    /// relative file of a `sqlite:` URL is in `data_dir`, which must exist.
    pub async fn open(url: &str, data_dir: &Path, options: &Options) -> Result<Self, Error> {
        let (name, driver, deployment) = match locate(url, data_dir, options.password.as_ref())? {
            Location::File(path) => {
                let (file, options) = (path.clone(), options.clone());
                let opening = tokio::task::spawn_blocking(move || sqlite::Sqlite::open(&file, &options));
                let opened = opening.await.map_err(|_| Error::Unavailable)?;
                let name = path.display().to_string();
                let (driver, deployment) = opened.map_err(|cause| Error::open(&name, cause))?;
                (name, Driver::Threads(driver), deployment)
            }
            Location::Server(address) => {
                let name = address.to_string();
                let opened = Remote::open(*address, options).await;
                let (driver, deployment) = opened.map_err(|cause| Error::open(&name, cause))?;
                (name, Driver::Remote(driver), deployment)
            }
        };
        let keys = Keyring::new(deployment, options.master_keys.clone(), options.reread.clone());
        let db = Self::new(driver, keys);
        if !options.filling
            && let Some(command) = tables::filled_by(&db).await?
        {
            db.close().await;
            return Err(Error::open(name, Error::Unfinished { command }));
        }
        Ok(db)
    }

    /// An empty database in memory, sealed with a fixed master key, without threads: statements run inside the
    /// futures of their callers, which first let other tasks run for as long as
    /// the seed says. For simulations, in a runtime whose timers are on.
    pub fn open_inline(options: InlineOptions) -> Result<Self, Error> {
        let master_keys = MasterKeys::one([1; 32])?;
        let (driver, deployment) = sqlite::Inline::open(options, &master_keys)?;
        Ok(Self::new(Driver::Inline(driver), Keyring::new(deployment, master_keys, None)))
    }

    fn new(driver: Driver, keys: Keyring) -> Self {
        Self { driver: Arc::new(driver), keys: Arc::new(keys), archive_mark: Arc::new(AtomicI64::new(-1)) }
    }

    /// A lasting secret of this deployment, the same whatever the master key; each purpose has one of its own.
    pub fn secret(&self, purpose: &str) -> Result<[u8; 32], Error> {
        self.keys.secret(purpose)
    }

    /// Whether this master key is at hand, perhaps only now that it was looked for again.
    pub async fn has_master_key(&self, fingerprint: Fingerprint) -> bool {
        self.keys.has(fingerprint).await
    }

    /// The keys that seal what aggregates store.
    pub(crate) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The key of an account; `None` if there is no such account, or it is being deleted.
    pub(crate) async fn key(&self, owner: AccountId) -> Result<Option<Arc<DataKey>>, Error> {
        self.keys.of(self, owner).await
    }

    /// As [`key`](Self::key), for writers: no such account is a violated constraint.
    pub(crate) async fn expect_key(&self, owner: AccountId) -> Result<Arc<DataKey>, Error> {
        self.key(owner).await?.ok_or_else(|| Error::Constraint("no such account".into()))
    }

    /// Runs a batch, all of it or nothing, and returns once it is durable: an
    /// outcome for each statement, in order.
    ///
    /// Batches run in the order in which they were queued and share commits. A
    /// batch whose future is dropped may still be written.
    pub async fn write(&self, batch: Vec<Statement>) -> Result<Vec<Outcome>, Error> {
        self.queue(batch).await?.durable().await
    }

    /// The first half of [`write`](Self::write): gives a batch its place among the writes. Waits only while the queue
    /// is full.
    pub async fn queue(&self, batch: Vec<Statement>) -> Result<Queued, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue_write(batch, Some(answer)).await?;
        Ok(Queued { answered, driver: Arc::clone(&self.driver) })
    }

    /// [`write`](Self::write) for one statement.
    pub async fn execute(&self, statement: Statement) -> Result<Outcome, Error> {
        Ok(self.write(vec![statement]).await?.pop().unwrap_or_default())
    }

    /// Queues a batch without waiting for its commit, for writes that may be
    /// lost with the process. It keeps its place among the writes, is held back
    /// for at most [`SUBMITTED_HELD_MAX`](limits::SUBMITTED_HELD_MAX), and its
    /// failure is logged. Waits only while the queue is full.
    pub async fn submit(&self, batch: Vec<Statement>) -> Result<(), Error> {
        self.queue_write(batch, None).await
    }

    /// Returns once every batch submitted so far is durable and seen by queries.
    pub async fn settle(&self) -> Result<(), Error> {
        let has_submitted = match &*self.driver {
            Driver::Threads(driver) => driver.has_submitted(),
            Driver::Remote(driver) => driver.has_submitted(),
            Driver::Inline(_) => true,
        };
        if has_submitted { self.write(Vec::new()).await.map(drop) } else { Ok(()) }
    }

    /// Runs a statement that only reads and returns its rows. It sees every
    /// write that was awaited before.
    pub async fn query(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        if let Driver::Threads(driver) = &*self.driver
            && let Some(rows) = driver.query_on_the_spot(&statement)
        {
            return Ok(rows);
        }
        let (answer, answered) = oneshot::channel();
        match &*self.driver {
            Driver::Threads(driver) => driver.queue_query(Read { statement, answer }).await?,
            Driver::Remote(driver) => driver.queue_query(Read { statement, answer }).await?,
            Driver::Inline(driver) => driver.queue_query(statement, answer).await?,
        }
        answered.await.map_err(|_| Error::Unavailable)?
    }

    /// [`query`](Self::query) for at most one row.
    pub async fn query_one(&self, statement: Statement) -> Result<Option<Row>, Error> {
        Ok(self.query(statement).await?.into_iter().next())
    }

    /// The database as it is now, for as long as the snapshot is held: it has what was awaited before, and nothing
    /// that is written later. Waits while [`SNAPSHOTS_MAX`](limits::SNAPSHOTS_MAX) of them are open.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot::new(match &*self.driver {
            Driver::Threads(driver) => snapshot::Driver::Sqlite(driver.snapshot().await?),
            Driver::Remote(driver) => snapshot::Driver::Remote(driver.snapshot().await?),
            Driver::Inline(driver) => snapshot::Driver::Sqlite(driver.snapshot()?),
        }))
    }

    /// What the writer did so far.
    pub fn stats(&self) -> &Stats {
        match &*self.driver {
            Driver::Threads(driver) => driver.stats(),
            Driver::Remote(driver) => driver.stats(),
            Driver::Inline(driver) => driver.stats(),
        }
    }

    /// What kind of database it is: for the few statements that differ.
    pub fn dialect(&self) -> Dialect {
        match &*self.driver {
            Driver::Threads(_) | Driver::Inline(_) => Dialect::Sqlite,
            Driver::Remote(driver) => driver.dialect(),
        }
    }

    /// Writes what is queued, checkpoints and ends the threads. Whoever calls
    /// later, on any clone, gets [`Error::Unavailable`].
    pub async fn close(&self) {
        match &*self.driver {
            Driver::Threads(driver) => driver.stop(),
            Driver::Remote(driver) => {
                driver.stop();
                return driver.join().await;
            }
            Driver::Inline(driver) => return driver.close(),
        }
        let driver = Arc::clone(&self.driver);
        // Joining blocks; a join that fails is a thread that panicked, and gone.
        let _ = tokio::task::spawn_blocking(move || driver.join()).await;
    }

    async fn queue_write(
        &self,
        batch: Vec<Statement>,
        answer: Option<oneshot::Sender<Result<Vec<Outcome>, Error>>>,
    ) -> Result<(), Error> {
        match &*self.driver {
            Driver::Threads(driver) => driver.queue_write(Write::new(batch, answer)).await,
            Driver::Remote(driver) => driver.queue_write(Write::new(batch, answer)).await,
            Driver::Inline(driver) => driver.queue_write(batch, answer),
        }
    }
}

impl Driver {
    fn join(&self) {
        if let Self::Threads(driver) = self {
            driver.join();
        }
    }
}
