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

use anyhow::Result;

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

/// A running server. It ends, and its folder goes, when this process does or when it is dropped.
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
}

impl DatabaseServer {
    /// Starts a server that this test alone uses.
    ///
    /// # Errors
    /// When a program is missing, or the server does not start.
    pub fn start(kind: Kind) -> Result<Self> {
        let folder = folder::create(kind.scheme())?;
        certificate::write(&folder)?;
        let prepared = match kind {
            Kind::Postgres => postgres::prepare(&folder),
            Kind::Mariadb => mariadb::prepare(&folder),
        };
        let started = prepared.and_then(|()| {
            let port = free_port()?;
            let keeper = match kind {
                Kind::Postgres => postgres::start(&folder, port),
                Kind::Mariadb => mariadb::start(&folder, port),
            }?;
            Ok((port, keeper))
        });
        let (port, keeper) = match started {
            Ok(started) => started,
            Err(error) => {
                // No keeper does it.
                std::fs::remove_dir_all(&folder)?;
                return Err(error);
            }
        };
        let server = Self { kind, folder, port, keeper: Mutex::new(keeper) };
        server.answers()?;
        if kind == Kind::Mariadb {
            mariadb::create_user(&server.folder)?;
        }
        Ok(server)
    }

    /// Creates an empty database under a name of its own.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self) -> Result<Database> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        match self.kind {
            Kind::Postgres => postgres::create_database(self.port, &name),
            Kind::Mariadb => mariadb::create_database(self.port, &name),
        }?;
        let certificate = self.folder.join("cert.pem");
        Ok(Database { kind: self.kind, port: self.port, name, certificate })
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

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's certificate, which is its own authority, for `localhost` and `127.0.0.1`.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}
