//! One connection to MySQL 8 or newer, or to MariaDB 10.11 or newer. Each statement is a round trip, so a transaction
//! has as few as can be.

mod errors;
mod values;

use mysql_async::{Conn, OptsBuilder, Params, SslOpts, prelude::Queryable};

use super::{
    Error, Outcome, Row, Statement, Value,
    job::BatchResult,
    remote::{
        address::{Address, Host, TlsMode},
        fault::Fault,
        fold::{Step, Text},
        link::Role,
        prepared::Prepared,
        tls,
    },
};
use crate::{dialect::Dialect, limits};

/// Error 1295: the statement exists only in the text protocol.
const NOT_PREPARABLE: u16 = 1295;

pub(crate) struct Connection {
    conn: Conn,
    prepared: Prepared<mysql_async::Statement>,
}

impl Connection {
    pub(super) async fn connect(address: &Address, role: Role) -> Result<Self, Error> {
        let conn = Conn::new(options(address)?)
            .await
            .map_err(|error| errors::connect_error(&error, &address.user, &address.database))?;
        let mut connection = Self { conn, prepared: Prepared::new() };
        let is_mariadb = connection.check().await?;
        connection.set_up(role, is_mariadb).await.map_err(Fault::into_error)?;
        Ok(connection)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.conn.is_disconnected()
    }

    pub(super) async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, Fault> {
        Ok(self.run(Text::single(statement.sql), statement.params.iter()).await?.rows)
    }

    /// Runs steps in one transaction: the outcome of each, or nothing is stored.
    pub(super) async fn commit_all(&mut self, steps: &[Step<'_>]) -> Result<Vec<Outcome>, Fault> {
        self.begin().await?;
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            match self.run(step.text, step.params.iter().copied()).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(fault) => return Err(self.roll_back(fault).await),
            }
        }
        self.script("COMMIT").await?;
        Ok(outcomes)
    }

    /// Runs batches in one transaction, each in a savepoint: the result of each, or nothing is stored.
    pub(super) async fn commit_each(&mut self, batches: &[&[Statement]]) -> Result<Vec<BatchResult>, Fault> {
        self.begin().await?;
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            match self.run_in_savepoint(batch).await {
                Ok(result) => results.push(result),
                Err(fault) => return Err(self.roll_back(fault).await),
            }
        }
        self.script("COMMIT").await?;
        Ok(results)
    }

    /// A statement without parameters or rows.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Fault> {
        Ok(self.conn.query_drop(sql).await?)
    }

    async fn begin(&mut self) -> Result<(), Fault> {
        self.script("START TRANSACTION").await.map_err(Fault::before_commit)
    }

    /// Why the transaction is undone.
    async fn roll_back(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Lost { .. } => fault.before_commit(),
            fault => match self.script("ROLLBACK").await {
                Ok(()) => fault,
                Err(lost) => lost.before_commit(),
            },
        }
    }

    async fn run_in_savepoint(&mut self, batch: &[Statement]) -> Result<BatchResult, Fault> {
        self.script("SAVEPOINT batch").await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for statement in batch {
            match self.run(Text::single(statement.sql), statement.params.iter()).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(Fault::Refused(error)) => {
                    self.script("ROLLBACK TO SAVEPOINT batch").await?;
                    return Ok(Err(error));
                }
                Err(fault) => return Err(fault),
            }
        }
        self.script("RELEASE SAVEPOINT batch").await?;
        Ok(Ok(outcomes))
    }

    async fn run(&mut self, text: Text, params: impl Iterator<Item = &Value>) -> Result<Outcome, Fault> {
        let params: Vec<_> = params.map(values::to_wire).collect();
        let Some(statement) = self.prepare(text).await? else {
            return self.run_as_text(text).await;
        };
        let params = if params.is_empty() { Params::Empty } else { Params::Positional(params) };
        let mut result = self.conn.exec_iter(&statement, params).await?;
        let rows = result.collect().await?;
        let rows_affected = result.affected_rows();
        drop(result);
        outcome(rows, rows_affected)
    }

    async fn run_as_text(&mut self, text: Text) -> Result<Outcome, Fault> {
        let mut result = self.conn.query_iter(text.sql).await?;
        let rows = result.collect().await?;
        let rows_affected = result.affected_rows();
        drop(result);
        outcome(rows, rows_affected)
    }

    /// `None` for what exists only in the text protocol.
    async fn prepare(&mut self, text: Text) -> Result<Option<mysql_async::Statement>, Fault> {
        if let Some(statement) = self.prepared.find(text) {
            return Ok(Some(statement));
        }
        let sql = text.write();
        let statement = match self.conn.prep(Dialect::Mysql.translate(&sql).into_owned()).await {
            Ok(statement) => statement,
            Err(mysql_async::Error::Server(error)) if error.code == NOT_PREPARABLE => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(dropped) = self.prepared.keep(text, statement.clone()) {
            self.conn.close(dropped).await?;
        }
        Ok(Some(statement))
    }

    /// Whether it is MariaDB; an error if it is too old.
    async fn check(&mut self) -> Result<bool, Error> {
        let version: Option<String> =
            self.conn.query_first("SELECT VERSION()").await.map_err(|error| Fault::from(error).into_error())?;
        is_mariadb(&version.unwrap_or_default())
    }

    async fn set_up(&mut self, role: Role, is_mariadb: bool) -> Result<(), Fault> {
        // A value that does not fit is an error, and text compares by bytes.
        self.script("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'").await?;
        self.script("SET NAMES utf8mb4 COLLATE utf8mb4_bin").await?;
        self.script(&format!("SET SESSION innodb_lock_wait_timeout = {}", limits::LOCK_TIMEOUT.as_secs())).await?;
        // Writers insert beside each other: no locks on the gaps between rows.
        self.script("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        match role {
            Role::Writer => self.warn_if_lax().await,
            Role::Reader | Role::Snapshot => {
                self.script("SET SESSION TRANSACTION READ ONLY").await?;
                let timeout = limits::STATEMENT_TIMEOUT;
                self.script(&if is_mariadb {
                    format!("SET SESSION max_statement_time = {}", timeout.as_secs())
                } else {
                    format!("SET SESSION max_execution_time = {}", timeout.as_millis())
                })
                .await
            }
            Role::Migrator => Ok(()),
        }
    }

    async fn warn_if_lax(&mut self) -> Result<(), Fault> {
        let flush: Option<u64> = self.conn.query_first("SELECT @@innodb_flush_log_at_trx_commit").await?;
        if flush != Some(1) {
            tracing::warn!(
                "the database runs without innodb_flush_log_at_trx_commit = 1: acknowledged messages are lost when it \
                 crashes"
            );
        }
        Ok(())
    }
}

/// Whether this is a version of MariaDB; an error if it is too old.
fn is_mariadb(version: &str) -> Result<bool, Error> {
    let is_mariadb = version.contains("MariaDB");
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0_u32));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (name, oldest) = if is_mariadb { ("MariaDB", (10, 11)) } else { ("MySQL", (8, 0)) };
    if found < oldest {
        return Err(Error::Connect(format!("it is {name} {version}: {}.{} or newer is needed", oldest.0, oldest.1)));
    }
    Ok(is_mariadb)
}

fn outcome(rows: Vec<mysql_async::Row>, rows_affected: u64) -> Result<Outcome, Fault> {
    let read = |row: mysql_async::Row| {
        let columns = row.columns();
        let values = row.unwrap().into_iter().zip(columns.iter());
        values.map(|(value, column)| values::from_wire(value, column)).collect::<Result<_, _>>().map(Row::new)
    };
    let rows = rows.into_iter().map(read).collect::<Result<_, _>>().map_err(Fault::Refused)?;
    Ok(Outcome { rows_affected, rows })
}

fn options(address: &Address) -> Result<OptsBuilder, Error> {
    let mut options = OptsBuilder::default()
        .user(Some(address.user.clone()))
        .pass(address.password.clone())
        .db_name(Some(address.database.clone()))
        .tcp_keepalive(Some(limits::KEEPALIVE_IDLE))
        // Rows that an update found count, whether or not it changed them.
        .client_found_rows(true)
        // The address is the one that was asked for.
        .prefer_socket(Some(false))
        .stmt_cache_size(Some(0));
    options = match &address.host {
        Host::Tcp { name, port } => options.ip_or_hostname(name.clone()).tcp_port(*port),
        Host::Socket(path) => options.socket(Some(path.display().to_string())),
    };
    if address.tls != TlsMode::Disable {
        options = options.ssl_opts(Some(ssl_options(address)?));
    }
    Ok(options)
}

fn ssl_options(address: &Address) -> Result<SslOpts, Error> {
    let certificates = match (&address.root_cert, address.tls) {
        (Some(path), _) => tls::certificates_in(path)?,
        (None, TlsMode::VerifyFull) => tls::certificates_of_system(),
        (None, _) => return Ok(SslOpts::default().with_danger_accept_invalid_certs(true)),
    };
    let roots = certificates.into_iter().map(|certificate| certificate.to_vec().into()).collect();
    Ok(SslOpts::default()
        .with_disable_built_in_roots(true)
        .with_root_certs(roots)
        .with_danger_skip_domain_validation(address.tls != TlsMode::VerifyFull))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused_in_clear_words() {
        for (version, expected) in [
            ("10.11.6-MariaDB-0+deb12u1", Ok(true)),
            ("11.4.2-MariaDB-log", Ok(true)),
            ("8.0.36", Ok(false)),
            ("9.1.0-commercial", Ok(false)),
            ("10.6.18-MariaDB", Err("it is MariaDB 10.6.18-MariaDB: 10.11 or newer is needed")),
            ("5.7.44-log", Err("it is MySQL 5.7.44-log: 8.0 or newer is needed")),
            ("", Err("it is MySQL : 8.0 or newer is needed")),
        ] {
            assert_eq!(is_mariadb(version), expected.map_err(|error| Error::Connect(error.into())), "{version}");
        }
    }
}
