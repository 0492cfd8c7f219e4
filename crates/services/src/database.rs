//! A database server of a test's own, and the databases on it.

use std::{
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{certificate, folder, keeper::Keeper, mariadb, port::free_port, postgres};

/// How long a server may take to answer after its start.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB, which stands for MySQL too: Debian has no other.
    Mariadb,
}

/// The user of every server here, who may do anything on it.
pub(crate) const USER: &str = "whimbrel";
/// Its password.
pub(crate) const PASSWORD: &str = "open-sesame";

/// Where a server keeps its data, and how much of it in memory.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its folder, which is made when it is missing.
    pub folder: PathBuf,
    /// The folder stays when the server ends, and a server that is in it already is started again.
    pub kept: bool,
    /// The server's own cache, in MiB; as much may be in its log before it is written back.
    pub cache_mib: u32,
}

impl Place {
    /// A new folder below `parent`, which goes with the server, and little memory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary(kind: Kind, parent: &Path) -> Result<Self> {
        let folder = folder::create(kind.scheme(), parent)?;
        Ok(Self { folder, kept: false, cache_mib: 64 })
    }
}

/// A running server. It ends when this process does or when it is dropped; then its folder goes, unless it is kept.
pub struct DatabaseServer {
    kind: Kind,
    folder: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
}

impl std::fmt::Debug for DatabaseServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseServer").field("kind", &self.kind).field("port", &self.port).finish_non_exhaustive()
    }
}

/// An empty database on a server.
#[derive(Debug, Clone)]
pub struct Database {
    kind: Kind,
    port: u16,
    name: String,
    certificate: PathBuf,
}

impl Kind {
    /// The server that all tests of this process share; started by whoever asks first.
    ///
    /// # Errors
    /// When a program is missing, or the server does not start.
    pub fn shared(self) -> Result<&'static DatabaseServer> {
        static POSTGRES: OnceLock<Result<DatabaseServer>> = OnceLock::new();
        static MARIADB: OnceLock<Result<DatabaseServer>> = OnceLock::new();
        let server = match self {
            Self::Postgres => &POSTGRES,
            Self::Mariadb => &MARIADB,
        };
        let started = server.get_or_init(|| DatabaseServer::start(self));
        started.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mysql",
        }
    }

    /// Where the server keeps its files in its folder.
    fn data(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Postgres => "cluster",
            Self::Mariadb => "data",
        })
    }

    fn prepare(self, folder: &Path) -> Result<()> {
        certificate::write(folder)?;
        match self {
            Self::Postgres => postgres::prepare(folder),
            Self::Mariadb => mariadb::prepare(folder),
        }
    }
}

impl DatabaseServer {
    /// Starts a server that this test alone uses.
    ///
    /// # Errors
    /// When a program is missing, or the server does not start.
    pub fn start(kind: Kind) -> Result<Self> {
        Self::start_in(kind, Place::temporary(kind, &std::env::temp_dir())?)
    }

    /// Starts a server there.
    ///
    /// # Errors
    /// When a program is missing, or the server does not start.
    pub fn start_in(kind: Kind, place: Place) -> Result<Self> {
        let Place { folder, kept, .. } = &place;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let is_new = !kind.data(folder).exists();
        let prepared = if is_new { kind.prepare(folder) } else { Ok(()) };
        let started = prepared.and_then(|()| {
            let port = free_port()?;
            let keeper = match kind {
                Kind::Postgres => postgres::start(&place, port),
                Kind::Mariadb => mariadb::start(&place, port),
            }?;
            Ok((port, keeper))
        });
        let (port, keeper) = match started {
            Ok(started) => started,
            Err(error) => {
                // No keeper does it.
                if !kept {
                    std::fs::remove_dir_all(folder)?;
                }
                return Err(error);
            }
        };
        let server = Self { kind, folder: place.folder, port, keeper: Mutex::new(keeper) };
        server.answers()?;
        if kind == Kind::Mariadb && is_new {
            mariadb::create_user(&server.folder)?;
        }
        Ok(server)
    }

    /// Ends the server, and returns once it is gone.
    ///
    /// # Errors
    /// When its keeper cannot be waited for.
    pub fn stop(self) -> Result<()> {
        self.keeper.into_inner().unwrap_or_else(PoisonError::into_inner).end()
    }

    /// The process of which all of the server's are descendants.
    pub fn process(&self) -> u32 {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).process()
    }

    /// Creates an empty database under a name of its own.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self) -> Result<Database> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        self.database_named(&format!("test_{}_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// The database of this name; it is created when it is missing.
    ///
    /// # Errors
    /// What the server said.
    pub fn database_named(&self, name: &str) -> Result<Database> {
        match self.kind {
            Kind::Postgres => postgres::create_database(self.port, name),
            Kind::Mariadb => mariadb::create_database(self.port, name),
        }?;
        let certificate = self.folder.join("cert.pem");
        Ok(Database { kind: self.kind, port: self.port, name: name.to_owned(), certificate })
    }

    /// Removes a database, also one that is in use: many of them would fill the disk.
    ///
    /// # Errors
    /// What the server said.
    pub fn remove(&self, database: &Database) -> Result<()> {
        match self.kind {
            Kind::Postgres => postgres::remove_database(self.port, &database.name),
            Kind::Mariadb => mariadb::remove_database(self.port, &database.name),
        }
    }

    /// Kills the server with SIGKILL, as a power cut would.
    ///
    /// # Errors
    /// When its keeper is gone.
    pub fn kill(&self) -> Result<()> {
        self.order("kill")
    }

    /// Starts a killed server again, and returns once it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn restart(&self) -> Result<()> {
        // What a killed PostgreSQL leaves running has to end first; then it starts.
        let started = Instant::now();
        loop {
            self.order("start")?;
            match self.answers_within(Duration::from_secs(5)) {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > DEADLINE => return Err(error),
                Err(_) => self.order("kill")?,
            }
        }
    }

    /// Has the server stand still, as an overloaded machine would.
    ///
    /// # Errors
    /// When its keeper is gone.
    pub fn pause(&self) -> Result<()> {
        self.order("pause")
    }

    /// Has it go on.
    ///
    /// # Errors
    /// When its keeper is gone.
    pub fn resume(&self) -> Result<()> {
        self.order("resume")
    }

    /// Ends every connection to a database, but not the server.
    ///
    /// # Errors
    /// What the server said.
    pub fn drop_connections(&self, database: &Database) -> Result<()> {
        match self.kind {
            Kind::Postgres => postgres::drop_connections(self.port, &database.name),
            Kind::Mariadb => mariadb::drop_connections(self.port, &database.name),
        }
    }

    /// The folder with all that the server stores.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the server's own command-line client on a database; returns what it printed, columns separated by tabs.
    ///
    /// # Errors
    /// What the server said.
    pub fn client(&self, database: &Database, statement: &str) -> Result<String> {
        match self.kind {
            Kind::Postgres => postgres::client(self.port, &database.name, statement),
            Kind::Mariadb => mariadb::client(self.port, &database.name, statement),
        }
    }

    fn order(&self, word: &str) -> Result<()> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).order(word)
    }

    fn answers(&self) -> Result<()> {
        self.answers_within(DEADLINE)
    }

    fn answers_within(&self, deadline: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            let answered = match self.kind {
                Kind::Postgres => postgres::answers(self.port),
                Kind::Mariadb => mariadb::answers(&self.folder),
            };
            match answered {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > deadline => {
                    let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                    let end: Vec<_> = log.lines().rev().take(20).collect();
                    let end: Vec<_> = end.into_iter().rev().collect();
                    return Err(error.context(format!(
                        "{:?} does not answer; its log:\n{}",
                        self.kind,
                        end.join("\n")
                    )));
                }
                // It has no other sign of life to wait for.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Database {
    /// How it is reached without TLS.
    pub fn url(&self) -> String {
        self.url_as(USER, PASSWORD, "127.0.0.1")
    }

    /// The same with another user, password or host.
    pub fn url_as(&self, user: &str, password: &str, host: &str) -> String {
        format!("{}://{user}:{password}@{host}:{}/{}", self.kind.scheme(), self.port, self.name)
    }

    /// Which server it is on.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The port on 127.0.0.1 that its server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user that [`url`](Self::url) names, and the password.
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's certificate, which is its own authority, for `localhost` and `127.0.0.1`.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}
