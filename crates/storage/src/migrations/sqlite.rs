//! The schema's history: an append-only list, run at open.
//!
//! A released migration is never edited. A database that is newer than this
//! list is refused, because this program does not know what it may break.

use rusqlite::Connection;

use crate::Error;

struct Migration {
    /// Counts from 1, without gaps.
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "accounts", sql: include_str!("migrations/0001_accounts.sql") },
    Migration { version: 2, name: "roster", sql: include_str!("migrations/0002_roster.sql") },
    Migration { version: 3, name: "archive", sql: include_str!("migrations/0003_archive.sql") },
    Migration { version: 4, name: "profiles", sql: include_str!("migrations/0004_profiles.sql") },
    Migration { version: 5, name: "devices", sql: include_str!("migrations/0005_devices.sql") },
];

/// Brings the schema to the newest version, each migration in a transaction.
/// Two processes that start at once take turns.
pub(crate) fn run(connection: &Connection) -> Result<(), Error> {
    run_list(connection, MIGRATIONS)
}

fn run_list(connection: &Connection, migrations: &[Migration]) -> Result<(), Error> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             version INTEGER PRIMARY KEY,
             name TEXT NOT NULL
         ) STRICT",
    )?;
    let found = version(connection)?;
    if found > known {
        return Err(Error::Schema { found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        let result = run_one(connection, migration);
        if result.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        result?;
    }
    Ok(())
}

fn run_one(connection: &Connection, migration: &Migration) -> Result<(), Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have been faster.
    if version(connection)? < migration.version {
        connection.execute_batch(migration.sql)?;
        connection
            .execute("INSERT INTO migrations (version, name) VALUES (?, ?)", (migration.version, migration.name))?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("SELECT COALESCE(MAX(version), 0) FROM migrations", (), |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_without_gaps() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        let expected: Vec<_> = (1..).take(MIGRATIONS.len()).collect();
        assert_eq!(versions, expected);
    }

    #[test]
    fn every_earlier_schema_reaches_the_newest_one() {
        for released in 0..=MIGRATIONS.len() {
            let connection = Connection::open_in_memory().unwrap();
            run_list(&connection, &MIGRATIONS[..released]).unwrap();
            run(&connection).unwrap();
            run(&connection).unwrap();
            assert_eq!(version(&connection).unwrap(), MIGRATIONS.last().unwrap().version);
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_as_it_was() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = [Migration { version: 1, name: "broken", sql: "CREATE TABLE half (a INTEGER) STRICT; NONSENSE" }];
        assert!(run_list(&connection, &broken).is_err());
        assert_eq!(version(&connection).unwrap(), 0);
        assert!(connection.execute_batch("SELECT a FROM half").is_err());
        run(&connection).unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_in_clear_words() {
        let connection = Connection::open_in_memory().unwrap();
        run(&connection).unwrap();
        connection.execute_batch("INSERT INTO migrations (version, name) VALUES (999, 'future')").unwrap();
        let error = run(&connection).unwrap_err();
        assert_eq!(error, Error::Schema { found: 999, known: MIGRATIONS.last().unwrap().version });
        assert!(error.to_string().contains("use the newer program"), "{error}");
    }
}
