//! Which database is under a server: the embedded one, or one of a server that this process starts.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use services::{Database, DatabaseServer, Kind};

/// The variable that names the database of all servers which do not ask for one.
pub const VARIABLE: &str = "WHIMBREL_TEST_DATABASE";

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, in the server's own folder.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB, for MySQL too.
    Mysql,
}

impl Backend {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The one that the environment names; SQLite without.
    ///
    /// # Errors
    /// When it names something else.
    pub fn of_this_run() -> Result<Self> {
        let Ok(name) = std::env::var(VARIABLE) else { return Ok(Self::Sqlite) };
        let named = Self::ALL.into_iter().find(|backend| backend.name() == name);
        let Some(named) = named else { bail!("{VARIABLE} is sqlite, postgres or mysql, not {name:?}") };
        Ok(named)
    }

    /// How it is called in [`VARIABLE`] and in the names of tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Which server it needs.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(Kind::Postgres),
            Self::Mysql => Some(Kind::Mariadb),
        }
    }

    /// An empty database; `None` where the server makes its own.
    ///
    /// # Errors
    /// When the database server does not start.
    pub(crate) fn database(self) -> Result<Option<Lent>> {
        let Some(kind) = self.kind() else { return Ok(None) };
        let server = kind.shared()?;
        Ok(Some(Lent { server, database: server.database()? }))
    }
}

/// Runs all tests of this program once more, in a process whose servers use this kind of database. In that process it
/// does nothing.
///
/// # Errors
/// When one of them fails; the error shows what they printed.
pub async fn run_again_on(backend: Backend) -> Result<()> {
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let mut again = tokio::process::Command::new(std::env::current_exe()?);
    again.args(["--test-threads", "2"]).env(VARIABLE, backend.name()).kill_on_drop(true);
    let output = again.output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "on {}:\n{text}\n{}", backend.name(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A database that goes when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Lent {
    server: &'static DatabaseServer,
    database: Database,
}

impl Lent {
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.server.folder()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Its folder goes with the process anyway.
        let _ = self.server.remove(&self.database);
    }
}
