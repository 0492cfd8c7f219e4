//! The schema's history: an append-only list for each kind of database, run at open.
//!
//! A released migration is never edited. A database that is newer than its list is refused, because this program does
//! not know what it may break. Two nodes that start at once take turns.

pub(crate) mod remote;
pub(crate) mod sqlite;

use std::path::Path;

use crate::{
    Error, MasterKeys, Password,
    db::{Location, locate},
    dialect::Dialect,
    seal,
};

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Counts from 1, without gaps.
    pub version: i64,
    /// What it brings, in a word.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
    /// What SQL cannot do, in the same transaction; SQLite alone has such.
    then: Option<Step>,
}

type Step = fn(&rusqlite::Connection, &MasterKeys) -> Result<(), Error>;

/// SQL alone.
const fn plain(version: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration { version, name, sql, then: None }
}

const SQLITE: &[Migration] = &[
    plain(1, "accounts", include_str!("sqlite/0001_accounts.sql")),
    plain(2, "roster", include_str!("sqlite/0002_roster.sql")),
    plain(3, "archive", include_str!("sqlite/0003_archive.sql")),
    plain(4, "profiles", include_str!("sqlite/0004_profiles.sql")),
    plain(5, "devices", include_str!("sqlite/0005_devices.sql")),
    Migration {
        version: 6,
        name: "sealed",
        sql: include_str!("sqlite/0006_sealed.sql"),
        then: Some(seal::migrate::seal_rows),
    },
    plain(7, "filling", include_str!("sqlite/0007_filling.sql")),
    plain(8, "administration", include_str!("sqlite/0008_administration.sql")),
    plain(9, "uploads", include_str!("sqlite/0009_uploads.sql")),
    plain(10, "pubsub", include_str!("sqlite/0010_pubsub.sql")),
];
const POSTGRES: &[Migration] = &[
    plain(1, "whimbrel", include_str!("postgres/0001_whimbrel.sql")),
    plain(2, "filling", include_str!("postgres/0002_filling.sql")),
    plain(3, "administration", include_str!("postgres/0003_administration.sql")),
    plain(4, "uploads", include_str!("postgres/0004_uploads.sql")),
    plain(5, "pubsub", include_str!("postgres/0005_pubsub.sql")),
];
const MYSQL: &[Migration] = &[
    plain(1, "whimbrel", include_str!("mysql/0001_whimbrel.sql")),
    plain(2, "filling", include_str!("mysql/0002_filling.sql")),
    plain(3, "administration", include_str!("mysql/0003_administration.sql")),
    plain(4, "uploads", include_str!("mysql/0004_uploads.sql")),
    plain(5, "pubsub", include_str!("mysql/0005_pubsub.sql")),
];

/// The version that this program brings SQLite's schema to; those of the others have the same tables.
pub(crate) fn newest() -> i64 {
    SQLITE.last().map_or(0, |migration| migration.version)
}

fn of(dialect: Dialect) -> &'static [Migration] {
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    }
}

/// The migrations that opening the database at `url` would run; it is left as it is. `password` is that
/// of [`Options`](crate::Options).
pub async fn pending(url: &str, data_dir: &Path, password: Option<&Password>) -> Result<Vec<Migration>, Error> {
    let migrations = match locate(url, data_dir, password)? {
        Location::File(path) => sqlite::pending(&path).map_err(|cause| Error::open(path.display(), cause))?,
        Location::Server(address) => {
            let pending = remote::pending(&address).await;
            pending.map_err(|cause| Error::open(&address, cause))?
        }
    };
    Ok(migrations.into_iter().copied().collect())
}

/// Those that a database of version `found` lacks.
fn after(found: i64, migrations: &[Migration]) -> Result<Vec<&Migration>, Error> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(Error::Schema { found, known });
    }
    Ok(migrations.iter().filter(|migration| migration.version > found).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_without_gaps() {
        for migrations in [SQLITE, POSTGRES, MYSQL] {
            let versions: Vec<_> = migrations.iter().map(|migration| migration.version).collect();
            let expected: Vec<_> = (1..).take(migrations.len()).collect();
            assert_eq!(versions, expected);
        }
    }
}
