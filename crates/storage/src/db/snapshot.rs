//! One moment of a database, read while others write.

use super::{Error, Row, Statement, sqlite};

/// A read transaction: every query sees the same moment. It holds a connection, and what the database must keep for
/// that moment, until it is dropped.
pub struct Snapshot {
    // Another database is another driver here: a connection of its own in a transaction that reads one moment.
    driver: sqlite::Snapshot,
}

impl Snapshot {
    pub(super) fn new(driver: sqlite::Snapshot) -> Self {
        Self { driver }
    }

    /// Runs a statement that only reads and returns its rows.
    pub async fn query(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        self.driver.query(statement).await
    }

    /// [`query`](Self::query) for at most one row.
    pub async fn query_one(&self, statement: Statement) -> Result<Option<Row>, Error> {
        Ok(self.query(statement).await?.into_iter().next())
    }
}
