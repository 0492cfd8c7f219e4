//! One moment of a database, read while others write.

use super::{Error, Row, Statement, remote, sqlite};
use crate::dialect::Dialect;

/// A read transaction: every query sees the same moment. It holds a connection, and what the database must keep for
/// that moment, until it is dropped.
pub struct Snapshot {
    driver: Driver,
}

pub(super) enum Driver {
    Sqlite(sqlite::Snapshot),
    Remote(remote::Snapshot),
}

impl Snapshot {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Runs a statement that only reads and returns its rows.
    pub async fn query(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        match &self.driver {
            Driver::Sqlite(driver) => driver.query(statement).await,
            Driver::Remote(driver) => driver.query(&statement).await,
        }
    }

    /// [`query`](Self::query) for at most one row.
    pub async fn query_one(&self, statement: Statement) -> Result<Option<Row>, Error> {
        Ok(self.query(statement).await?.into_iter().next())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.driver {
            Driver::Sqlite(_) => Dialect::Sqlite,
            Driver::Remote(driver) => driver.dialect(),
        }
    }
}
