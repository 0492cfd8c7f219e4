//! Running migrations on a server: on a connection of their own, under a lock that its end releases.
//!
//! PostgreSQL runs each in a transaction. MySQL commits with each change of a table, so there each statement of a
//! migration is noted when it was run, and a run that was interrupted goes on behind the last one noted. A statement
//! that was run and not noted is run again: each must bear that.

use super::Migration;
use crate::{
    Error, Statement,
    db::remote::{
        address::Address,
        fault::Fault,
        link::{Connection, Role},
    },
    dialect::Dialect,
    limits,
};

/// Text of a lock that only Whimbrel takes: "whimbrel" in ASCII.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_lock(8604243006615348588)";
/// MySQL's locks are the server's, not the database's.
const MYSQL_LOCK: &str = "SELECT GET_LOCK(CONCAT('whimbrel ', LEFT(DATABASE(), 50)), 600)";

const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS migrations (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL)";
/// Statements of the migration that is under way, in MySQL.
const STEPS: &str = "\
CREATE TABLE IF NOT EXISTS migration_steps (
    version BIGINT NOT NULL, step BIGINT NOT NULL, PRIMARY KEY (version, step))";

/// Brings the schema to the newest version.
pub(crate) async fn run(address: &Address) -> Result<(), Error> {
    let mut connection = Connection::connect(address, Role::Migrator).await?;
    migrate(&mut connection, address.dialect, super::of(address.dialect)).await.map_err(Fault::into_error)
}

/// What [`run`] would run.
pub(super) async fn pending(address: &Address) -> Result<Vec<&'static Migration>, Error> {
    let mut connection = Connection::connect(address, Role::Reader).await?;
    let found = version(&mut connection, address.dialect).await.map_err(Fault::into_error)?;
    super::after(found, super::of(address.dialect))
}

async fn migrate(connection: &mut Connection, dialect: Dialect, migrations: &[Migration]) -> Result<(), Fault> {
    // Nothing is locked, and nothing written, where nothing is to do.
    let pending = |found| super::after(found, migrations).map_err(Fault::Refused);
    if pending(version(connection, dialect).await?)?.is_empty() {
        return Ok(());
    }
    lock(connection, dialect).await?;
    connection.script(TABLE).await?;
    // Another node may have been faster.
    for migration in pending(version(connection, dialect).await?)? {
        tracing::info!(version = migration.version, name = migration.name, "migrating the database");
        match dialect {
            Dialect::Mysql => run_in_steps(connection, migration).await?,
            Dialect::Postgres | Dialect::Sqlite => {
                let Migration { version, name, sql, .. } = migration;
                let noted = format!("INSERT INTO migrations (version, name) VALUES ({version}, '{name}')");
                connection.script(&format!("BEGIN;\n{sql};\n{noted};\nCOMMIT")).await?;
            }
        }
    }
    Ok(())
}

async fn lock(connection: &mut Connection, dialect: Dialect) -> Result<(), Fault> {
    if dialect != Dialect::Mysql {
        return connection.script(POSTGRES_LOCK).await;
    }
    let statement = Statement::new(MYSQL_LOCK, []);
    let rows = connection.query_within(limits::MIGRATION_LOCK_TIMEOUT, &statement).await?;
    match rows.into_iter().next().map(|mut row| row.opt_int()) {
        Some(Ok(Some(1))) => Ok(()),
        _ => Err(Fault::Refused(Error::Busy)),
    }
}

async fn run_in_steps(connection: &mut Connection, migration: &Migration) -> Result<(), Fault> {
    connection.script(STEPS).await?;
    let version = migration.version;
    let sql = "SELECT COALESCE(MAX(step), 0) FROM migration_steps WHERE version = ?";
    let done = number(connection, Statement::new(sql, [version.into()])).await?;
    for (step, statement) in (1..).zip(statements(migration.sql)) {
        if step > done {
            connection.script(statement).await?;
            let noted = format!("INSERT INTO migration_steps (version, step) VALUES ({version}, {step})");
            connection.script(&noted).await?;
        }
    }
    let name = migration.name;
    connection.script(&format!("INSERT INTO migrations (version, name) VALUES ({version}, '{name}')")).await?;
    connection.script(&format!("DELETE FROM migration_steps WHERE version = {version}")).await
}

/// Each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(|statement| statement.trim().trim_end_matches(';')).filter(|statement| !statement.is_empty())
}

/// 0 for a database without tables.
async fn version(connection: &mut Connection, dialect: Dialect) -> Result<i64, Fault> {
    let sql = match dialect {
        Dialect::Mysql => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'migrations'"
        }
        Dialect::Postgres | Dialect::Sqlite => {
            "SELECT COUNT(*) FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_name = 'migrations'"
        }
    };
    if number(connection, Statement::new(sql, [])).await? == 0 {
        return Ok(0);
    }
    number(connection, Statement::new("SELECT COALESCE(MAX(version), 0) FROM migrations", [])).await
}

async fn number(connection: &mut Connection, statement: Statement) -> Result<i64, Fault> {
    let rows = connection.query_within(limits::STATEMENT_TIMEOUT, &statement).await?;
    rows.into_iter().next().map_or(Ok(0), |mut row| row.int()).map_err(Fault::Refused)
}
