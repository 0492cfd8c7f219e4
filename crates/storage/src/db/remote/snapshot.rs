//! A snapshot: a connection of its own, in a read-only transaction that sees the moment of its first read.

use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::{
    address::Address,
    fault::Fault,
    link::{Connection, Role},
};
use crate::{
    db::{Error, Row, Statement},
    dialect::Dialect,
};

pub(in crate::db) struct Snapshot {
    dialect: Dialect,
    connection: Mutex<Connection>,
    /// Its place among the few.
    _permit: OwnedSemaphorePermit,
}

impl Snapshot {
    pub(super) async fn open(address: &Address, permit: OwnedSemaphorePermit) -> Result<Self, Error> {
        let mut connection = Connection::connect(address, Role::Snapshot).await?;
        for command in Self::commands(address.dialect) {
            connection.script(command).await.map_err(Fault::into_error)?;
        }
        Ok(Self { dialect: address.dialect, connection: Mutex::new(connection), _permit: permit })
    }

    /// PostgreSQL takes the moment at the first statement behind BEGIN, MySQL when it is told to.
    fn commands(dialect: Dialect) -> &'static [&'static str] {
        match dialect {
            Dialect::Mysql => &[
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ],
            _ => &["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT 1"],
        }
    }

    pub(in crate::db) async fn query(&self, statement: &Statement) -> Result<Vec<Row>, Error> {
        self.connection.lock().await.query(statement).await.map_err(Fault::into_error)
    }

    pub(in crate::db) fn dialect(&self) -> Dialect {
        self.dialect
    }
}
