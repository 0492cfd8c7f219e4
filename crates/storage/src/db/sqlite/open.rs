//! Opening a file: permissions, pragmas, migrations, and errors in clear words.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, ffi};

use crate::{
    MasterKeys,
    db::{Error, Options},
    limits, migrations,
    seal::{self, DeploymentKey},
};

pub(super) fn writer(path: &Path, options: &Options) -> Result<(Connection, DeploymentKey), Error> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(limits::BUSY_TIMEOUT)?;
    // FULL: a commit is on the disk when it returns (invariant 1). A wrapped key that is deleted is overwritten.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = FAST;
         PRAGMA cache_size = -32768;",
    )?;
    connection.pragma_update(None, "wal_autocheckpoint", limits::WAL_CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", i64::try_from(limits::WAL_BYTES_MAX).unwrap_or(i64::MAX))?;
    keep_plans(&connection)?;
    migrations::sqlite::run(&connection, &options.master_keys)?;
    let deployment = deployment_key(&connection, &options.master_keys)?;
    seal::migrate::wipe(&connection)?;
    // Only now: a migration needs room for the old and the new.
    if let Some(pages_max) = options.pages_max {
        connection.pragma_update(None, "max_page_count", pages_max)?;
    }
    Ok((connection, deployment))
}

pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(limits::BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4096;",
    )?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// A statement is planned once. Without the stability guarantee (QPSG) SQLite looks at the bound values, as of
/// `LIMIT ?`, and parses the statement anew each time one of them changes.
fn keep_plans(connection: &Connection) -> Result<(), Error> {
    connection.set_prepared_statement_cache_capacity(limits::PREPARED_STATEMENTS_MAX);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The deployment's key, which the migrations have made.
///
/// # Errors
/// [`Error::MasterKey`] when another master key wrapped it.
pub(super) fn deployment_key(connection: &Connection, master: &MasterKeys) -> Result<DeploymentKey, Error> {
    let sql = "SELECT wrapped FROM deployment_keys WHERE id = 1";
    let wrapped: Vec<u8> = connection.query_row(sql, (), |row| row.get(0))?;
    DeploymentKey::open(master, &wrapped)
}

/// Where SQLite keeps the write-ahead log.
pub(super) fn wal_path(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

/// Creates the file for its owner's eyes only, and learns from the operating
/// system why it cannot be opened: SQLite would not say. The log inherits the mode.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let (code, message) = match error {
            rusqlite::Error::SqliteFailure(code, message) => (code, message),
            rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg)),
            other => return Self::Statement(other.to_string()),
        };
        let message = message.unwrap_or_else(|| code.to_string());
        match code.code {
            ErrorCode::ConstraintViolation => match code.extended_code {
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                    Self::Conflict(message)
                }
                _ => Self::Constraint(message),
            },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::NotADatabase => Self::NotADatabase,
            ErrorCode::DatabaseCorrupt => Self::Corrupt(message),
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly => Self::Denied,
            ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory => Self::Io(message),
            _ => Self::Statement(message),
        }
    }
}
