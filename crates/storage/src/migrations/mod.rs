//! The schema's history: an append-only list for each kind of database, run at open.
//!
//! A released migration is never edited. A database that is newer than its list is refused, because this program does
//! not know what it may break. Two nodes that start at once take turns.

pub(crate) mod remote;
pub(crate) mod sqlite;

use std::path::Path;

use crate::{
    Error, Options,
    db::{Location, locate},
    dialect::Dialect,
};

/// One step of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1, without gaps.
    pub version: i64,
    /// What it brings, in a word.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal $file:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!($folder, "/", $file, ".sql")),
        }),*]
    };
}

const SQLITE: &[Migration] = migrations! { "sqlite":
    1 "accounts" "0001_accounts",
    2 "roster" "0002_roster",
    3 "archive" "0003_archive",
    4 "profiles" "0004_profiles",
    5 "devices" "0005_devices",
};
const POSTGRES: &[Migration] = migrations! { "postgres": };
const MYSQL: &[Migration] = migrations! { "mysql": };

fn of(dialect: Dialect) -> &'static [Migration] {
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    }
}

/// The migrations that opening the database at `url` would run; it is left as it is. `options` give the password.
pub async fn pending(url: &str, data_dir: &Path, options: &Options) -> Result<Vec<Migration>, Error> {
    let migrations = match locate(url, data_dir, options)? {
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
