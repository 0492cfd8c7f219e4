//! A connection that is made when it is needed, and again when it was lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{address::Address, fault::Fault, fold::Step, gate::Gate};
use crate::{
    db::{Error, Outcome, Row, Statement, Stats, job::BatchResult, mysql, postgres},
    dialect::Dialect,
    limits,
};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Reads one moment for long.
    Snapshot,
    /// Waits long for its lock, and may take as long as it likes.
    Migrator,
}

/// A connection to either server.
pub(crate) enum Connection {
    Postgres(Box<postgres::Connection>),
    Mysql(Box<mysql::Connection>),
}

impl Connection {
    pub(crate) async fn connect(address: &Address, role: Role) -> Result<Self, Error> {
        let connecting = async {
            match address.dialect {
                Dialect::Postgres => Ok(Self::Postgres(Box::new(postgres::Connection::connect(address, role).await?))),
                Dialect::Mysql => Ok(Self::Mysql(Box::new(mysql::Connection::connect(address, role).await?))),
                Dialect::Sqlite => Err(Error::Unavailable),
            }
        };
        let late = || Error::Connect(format!("no answer within {} seconds", limits::CONNECT_TIMEOUT.as_secs()));
        tokio::time::timeout(limits::CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(late()))
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Postgres(connection) => connection.is_closed(),
            Self::Mysql(connection) => connection.is_closed(),
        }
    }

    pub(super) async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, Fault> {
        self.query_within(limits::STATEMENT_TIMEOUT, statement).await
    }

    pub(crate) async fn query_within(&mut self, timeout: Duration, statement: &Statement) -> Result<Vec<Row>, Fault> {
        within(timeout, async {
            match self {
                Self::Postgres(connection) => connection.query(statement).await,
                Self::Mysql(connection) => connection.query(statement).await,
            }
        })
        .await
    }

    pub(super) async fn commit_all(&mut self, steps: &[Step<'_>]) -> Result<Vec<Outcome>, Fault> {
        within(limits::GROUP_TIMEOUT, async {
            match self {
                Self::Postgres(connection) => connection.commit_all(steps).await,
                Self::Mysql(connection) => connection.commit_all(steps).await,
            }
        })
        .await
    }

    pub(super) async fn commit_each(&mut self, batches: &[&[Statement]]) -> Result<Vec<BatchResult>, Fault> {
        within(limits::GROUP_TIMEOUT, async {
            match self {
                Self::Postgres(connection) => connection.commit_each(batches).await,
                Self::Mysql(connection) => connection.commit_each(batches).await,
            }
        })
        .await
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), Fault> {
        match self {
            Self::Postgres(connection) => connection.script(sql).await,
            Self::Mysql(connection) => connection.script(sql).await,
        }
    }
}

/// A connection on which the answer is overdue cannot be used any more: the server's own timeout comes first, so the
/// network is at fault.
async fn within<T>(timeout: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let margin = limits::CONNECT_TIMEOUT;
    let done = tokio::time::timeout(timeout.saturating_add(margin), work).await;
    done.unwrap_or_else(|_| Err(Fault::lost("no answer in time")))
}

/// A place for a connection.
pub(super) struct Link {
    address: Arc<Address>,
    gate: Arc<Gate>,
    stats: Arc<Stats>,
    role: Role,
    connection: Option<Connection>,
}

impl Link {
    pub(super) fn new(
        address: Arc<Address>,
        gate: Arc<Gate>,
        stats: Arc<Stats>,
        role: Role,
        connection: Option<Connection>,
    ) -> Self {
        Self { address, gate, stats, role, connection }
    }

    /// The connection, made if need be. While the server is away it is [`Error::Unavailable`], mostly at once.
    pub(super) async fn connection(&mut self) -> Result<&mut Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            closed => {
                // One that was closed while nobody used it.
                closed.iter().for_each(|_| self.stats.lost());
                self.reconnect().await?
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Forgets the connection, which failed.
    pub(super) fn lost(&mut self, why: &str) {
        tracing::warn!(error = why, role = ?self.role, "a connection to the database was lost");
        if self.connection.take().is_some() {
            self.stats.lost();
        }
    }

    async fn reconnect(&self) -> Result<Connection, Error> {
        self.gate.enter(Instant::now())?;
        match Connection::connect(&self.address, self.role).await {
            Ok(connection) => {
                self.gate.reached();
                self.stats.connected();
                Ok(connection)
            }
            Err(error) => {
                self.gate.failed(Instant::now(), &error);
                Err(Error::Unavailable)
            }
        }
    }
}
