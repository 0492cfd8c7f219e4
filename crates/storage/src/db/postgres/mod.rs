//! One connection to PostgreSQL 15 or newer. A transaction is one round trip: its statements are sent without waiting
//! for the answers of those before them.

mod errors;
mod values;

use std::{future::Future, pin::Pin, task::Poll, time::Duration};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Error, Outcome, Row, Statement,
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

/// `server_version_num` of the oldest version.
const OLDEST: i64 = 150_000;

pub(crate) struct Connection {
    client: Client,
    prepared: Prepared<tokio_postgres::Statement>,
}

/// A statement on its way.
type Sent<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send + 'a>>;

impl Connection {
    pub(super) async fn connect(address: &Address, role: Role) -> Result<Self, Error> {
        let client = client(address).await?;
        let mut connection = Self { client, prepared: Prepared::new() };
        connection.check().await?;
        connection.set_up(role).await.map_err(Fault::into_error)?;
        Ok(connection)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, Fault> {
        let prepared = self.prepare(Text::single(statement.sql)).await?;
        let params: Vec<_> = statement.params.iter().collect();
        Ok(run(&self.client, prepared, statement.sql, &params).await?.rows)
    }

    /// Runs steps in one transaction: the outcome of each, or nothing is stored.
    pub(super) async fn commit_all(&mut self, steps: &[Step<'_>]) -> Result<Vec<Outcome>, Fault> {
        let mut prepared = Vec::with_capacity(steps.len());
        for step in steps {
            prepared.push(self.prepare(step.text).await.map_err(Fault::before_commit)?);
        }
        let mut sent = vec![self.command("BEGIN")];
        for (step, prepared) in steps.iter().zip(prepared) {
            sent.push(Box::pin(run(&self.client, prepared, step.text.sql, &step.params)));
        }
        sent.push(self.command("COMMIT"));
        let commands = sent.len();
        let results = in_order(sent).await;
        let all_sent = results.len() == commands;
        // The first error says why; what came after it was refused for its sake, and COMMIT was taken for ROLLBACK.
        match results.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(outcomes) => Ok(outcomes.into_iter().skip(1).take(steps.len()).collect()),
            Err(Fault::Lost { why, .. }) => Err(Fault::Lost { why, undone: !all_sent }),
            Err(fault) if all_sent => Err(fault),
            Err(fault) => {
                self.command("ROLLBACK").await.map_err(Fault::before_commit)?;
                Err(fault)
            }
        }
    }

    /// Runs batches in one transaction, each in a savepoint: the result of each, or nothing is stored.
    pub(super) async fn commit_each(&mut self, batches: &[&[Statement]]) -> Result<Vec<BatchResult>, Fault> {
        self.command("BEGIN").await.map_err(Fault::before_commit)?;
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            results.push(self.run_in_savepoint(batch).await.map_err(Fault::before_commit)?);
        }
        self.command("COMMIT").await?;
        Ok(results)
    }

    /// Statements without parameters, as they stand in a file.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Fault> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn run_in_savepoint(&mut self, batch: &[Statement]) -> Result<BatchResult, Fault> {
        let mut prepared = Vec::with_capacity(batch.len());
        self.command("SAVEPOINT batch").await?;
        for statement in batch {
            match self.prepare(Text::single(statement.sql)).await {
                Ok(statement) => prepared.push(statement),
                Err(Fault::Refused(error)) => return self.undo_savepoint(error).await,
                Err(fault) => return Err(fault),
            }
        }
        let params: Vec<Vec<_>> = batch.iter().map(|statement| statement.params.iter().collect()).collect();
        let sent = prepared.into_iter().zip(batch).zip(&params).map(|((prepared, statement), params)| -> Sent<'_> {
            Box::pin(run(&self.client, prepared, statement.sql, params))
        });
        let results = in_order(sent.collect()).await;
        match results.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(outcomes) => {
                self.command("RELEASE SAVEPOINT batch").await?;
                Ok(Ok(outcomes))
            }
            Err(Fault::Refused(error)) => self.undo_savepoint(error).await,
            Err(fault) => Err(fault),
        }
    }

    async fn undo_savepoint(&self, error: Error) -> Result<BatchResult, Fault> {
        self.command("ROLLBACK TO SAVEPOINT batch").await?;
        Ok(Err(error))
    }

    async fn prepare(&mut self, text: Text) -> Result<tokio_postgres::Statement, Fault> {
        if let Some(statement) = self.prepared.find(text) {
            return Ok(statement);
        }
        let sql = text.write();
        let statement = self.client.prepare(&Dialect::Postgres.translate(&sql)).await?;
        // Dropped, it is closed on the server too.
        drop(self.prepared.keep(text, statement.clone()));
        Ok(statement)
    }

    fn command(&self, sql: &'static str) -> Sent<'_> {
        Box::pin(async move {
            self.client.batch_execute(sql).await?;
            Ok(Outcome::default())
        })
    }

    async fn setting(&self, name: &str) -> Result<String, Error> {
        let sql = "SELECT COALESCE(current_setting($1, true), '')";
        let row = self.client.query_one(sql, &[&name]).await.map_err(|error| Fault::from(error).into_error())?;
        row.try_get(0).map_err(|error| Error::Statement(error.to_string()))
    }

    /// Whether this is a server, and a database, that this crate can use.
    async fn check(&self) -> Result<(), Error> {
        let version = self.setting("server_version_num").await?;
        if version.parse::<i64>().unwrap_or(0) < OLDEST {
            let version = self.setting("server_version").await?;
            return Err(Error::Connect(format!("it is PostgreSQL {version}: 15 or newer is needed")));
        }
        let encoding = self.setting("server_encoding").await?;
        if encoding != "UTF8" {
            return Err(Error::Connect(format!(
                "its encoding is {encoding}: create the database with --encoding UTF8"
            )));
        }
        Ok(())
    }

    async fn set_up(&mut self, role: Role) -> Result<(), Fault> {
        let (statement, lock) = match role {
            Role::Writer | Role::Reader | Role::Snapshot => (limits::STATEMENT_TIMEOUT, limits::LOCK_TIMEOUT),
            Role::Migrator => (Duration::ZERO, limits::MIGRATION_LOCK_TIMEOUT),
        };
        // Whoever reads a snapshot may be slow to write what was read.
        let idle = if role == Role::Snapshot { Duration::ZERO } else { limits::GROUP_TIMEOUT };
        let sql = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};
             SET default_transaction_isolation = 'read committed'",
            statement.as_millis(),
            lock.as_millis(),
            idle.as_millis(),
        );
        self.script(&sql).await?;
        match role {
            // An acknowledged message is on the disk (invariant 1), whatever the server's own default is.
            Role::Writer => {
                let sql = "SELECT set_config('synchronous_commit', 'on', false)
                           WHERE current_setting('synchronous_commit') = 'off'";
                self.script(sql).await?;
                if self.setting("fsync").await.is_ok_and(|fsync| fsync == "off") {
                    tracing::warn!(
                        "the database runs with fsync = off: acknowledged messages are lost with its machine"
                    );
                }
                Ok(())
            }
            Role::Reader | Role::Snapshot => self.script("SET default_transaction_read_only = on").await,
            Role::Migrator => Ok(()),
        }
    }
}

/// Runs a prepared statement. Its request is sent when the future is first polled.
async fn run(
    client: &Client,
    statement: tokio_postgres::Statement,
    sql: &str,
    params: &[&super::Value],
) -> Result<Outcome, Fault> {
    if statement.params().len() != params.len() {
        return Err(Fault::Refused(Error::Statement("wrong number of parameters".into())));
    }
    let params = params.iter().copied().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync));
    let stream = client.query_raw::<_, &(dyn tokio_postgres::types::ToSql + Sync), _>(&statement, params).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        let columns = (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
        rows.push(Row::new(columns));
    }
    // The server counts the rows of a SELECT too.
    let writes = ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb));
    Ok(Outcome { rows_affected: stream.rows_affected().filter(|_| writes).unwrap_or(0), rows })
}

/// Sends all in order, then takes their answers in order. If one cannot be sent, those after it are not sent either,
/// and the error is the last of the results.
async fn in_order(mut sent: Vec<Sent<'_>>) -> Vec<Result<Outcome, Fault>> {
    let early = std::future::poll_fn(|context| {
        let mut early = Vec::with_capacity(sent.len());
        for sent in &mut sent {
            let polled = sent.as_mut().poll(context);
            let failed = matches!(polled, Poll::Ready(Err(_)));
            early.push(polled);
            if failed {
                break;
            }
        }
        Poll::Ready(early)
    })
    .await;
    let mut results = Vec::with_capacity(early.len());
    for (sent, early) in sent.into_iter().zip(early) {
        results.push(match early {
            Poll::Ready(result) => result,
            Poll::Pending => sent.await,
        });
    }
    results
}

async fn client(address: &Address) -> Result<Client, Error> {
    let mut config = Config::new();
    config
        .user(&address.user)
        .dbname(&address.database)
        .application_name("whimbreld")
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .tcp_user_timeout(limits::GROUP_TIMEOUT)
        .keepalives_idle(limits::KEEPALIVE_IDLE)
        .ssl_mode(if address.tls == TlsMode::Disable { SslMode::Disable } else { SslMode::Require });
    if let Some(password) = &address.password {
        config.password(password);
    }
    match &address.host {
        Host::Tcp { name, port } => config.host(name).port(*port),
        Host::Socket(folder) => config.host_path(folder),
    };
    let failed = |error| errors::connect_error(&error, &address.user, &address.database);
    // The connection's task ends when the client is dropped, or the server goes away.
    if address.tls == TlsMode::Disable {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(async { drop(connection.await) });
        return Ok(client);
    }
    let tls = MakeRustlsConnect::new(tls::client_config(address)?);
    let (client, connection) = config.connect(tls).await.map_err(failed)?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}
