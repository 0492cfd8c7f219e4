//! Running migrations on SQLite.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Migration, SQLITE};
use crate::{Error, MasterKeys};

/// Brings the schema to the newest version, each migration in a transaction.
/// Two processes that start at once take turns.
pub(crate) fn run(connection: &Connection, master: &MasterKeys) -> Result<(), Error> {
    run_list(connection, SQLITE, master)
}

fn run_list(connection: &Connection, migrations: &[Migration], master: &MasterKeys) -> Result<(), Error> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             version INTEGER PRIMARY KEY,
             name TEXT NOT NULL
         ) STRICT",
    )?;
    for migration in super::after(version(connection)?, migrations)? {
        let result = run_one(connection, migration, master);
        if result.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        result?;
    }
    Ok(())
}

fn run_one(connection: &Connection, migration: &Migration, master: &MasterKeys) -> Result<(), Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have been faster.
    if version(connection)? < migration.version {
        connection.execute_batch(migration.sql)?;
        if let Some(step) = migration.then {
            step(connection, master)?;
        }
        connection
            .execute("INSERT INTO migrations (version, name) VALUES (?, ?)", (migration.version, migration.name))?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("SELECT COALESCE(MAX(version), 0) FROM migrations", (), |row| row.get(0))?)
}

/// What [`run`] would run on a file, which is left as it is; it may be missing.
pub(super) fn pending(path: &Path) -> Result<Vec<&'static Migration>, Error> {
    if !path.exists() {
        return super::after(0, SQLITE);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    let is_ours = connection.query_row(sql, (), |row| row.get::<_, i64>(0))? > 0;
    super::after(if is_ours { version(&connection)? } else { 0 }, SQLITE)
}

#[cfg(test)]
mod tests {
    use super::{super::plain, *};

    fn keys() -> MasterKeys {
        MasterKeys::one([1; 32]).unwrap()
    }

    #[test]
    fn every_earlier_schema_reaches_the_newest_one() {
        for released in 0..=SQLITE.len() {
            let connection = Connection::open_in_memory().unwrap();
            run_list(&connection, &SQLITE[..released], &keys()).unwrap();
            run(&connection, &keys()).unwrap();
            run(&connection, &keys()).unwrap();
            assert_eq!(version(&connection).unwrap(), SQLITE.last().unwrap().version);
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_as_it_was() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = [plain(1, "broken", "CREATE TABLE half (a INTEGER) STRICT; NONSENSE")];
        assert!(run_list(&connection, &broken, &keys()).is_err());
        assert_eq!(version(&connection).unwrap(), 0);
        assert!(connection.execute_batch("SELECT a FROM half").is_err());
        run(&connection, &keys()).unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_in_clear_words() {
        let connection = Connection::open_in_memory().unwrap();
        run(&connection, &keys()).unwrap();
        connection.execute_batch("INSERT INTO migrations (version, name) VALUES (999, 'future')").unwrap();
        let error = run(&connection, &keys()).unwrap_err();
        assert_eq!(error, Error::Schema { found: 999, known: SQLITE.last().unwrap().version });
        assert!(error.to_string().contains("use the newer program"), "{error}");
    }
}
