//! A database in a folder that stays.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};
use services::{DatabaseServer, Kind};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Database {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
}

/// A running database.
pub(super) struct Place {
    folder: PathBuf,
    url: String,
    server: Option<DatabaseServer>,
}

impl Place {
    /// Has the system forget the files of the database, then starts it.
    pub(super) fn start(database: Database, folder: &Path, cache_mib: u32) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        forget(&folder)?;
        let kind = match database {
            Database::Sqlite => {
                return Ok(Self { folder, url: String::from("sqlite:archive.db"), server: None });
            }
            Database::Postgres => Kind::Postgres,
            Database::Mariadb => Kind::Mariadb,
        };
        let place = services::Place { folder: folder.join("server"), kept: true, cache_mib };
        let server = DatabaseServer::start_in(kind, place)?;
        let url = server.database_named("bench")?.url();
        Ok(Self { folder, url, server: Some(server) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How much room it takes on the disk.
    pub(super) fn size(&self) -> Result<String> {
        let mut bytes = 0;
        each_file(&self.folder, &mut |path| {
            bytes += fs::metadata(path)?.len();
            Ok(())
        })?;
        Ok(format!("{} MB on the disk", bytes / 1_000_000))
    }

    /// Ends the server in good order.
    pub(super) fn stop(self) -> Result<()> {
        self.server.map_or(Ok(()), DatabaseServer::stop)
    }
}

/// Has the system drop what it holds of these files in memory.
fn forget(folder: &Path) -> Result<()> {
    each_file(folder, &mut |path| {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        // Only what is written back can be dropped.
        file.sync_all()?;
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    })
}

fn each_file(folder: &Path, act: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            each_file(&entry.path(), act)?;
        } else if kind.is_file() {
            act(&entry.path())?;
        }
    }
    Ok(())
}
