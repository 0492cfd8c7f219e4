//! A snapshot: a read-only connection of its own, in a transaction that has begun to read.

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::OwnedSemaphorePermit;

use super::{execute::execute, open};
use crate::db::{Error, Row, Statement};

pub(in crate::db) struct Snapshot {
    connection: Arc<Mutex<Connection>>,
    /// Its place among the few.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Snapshot {
    /// Blocks.
    pub(super) fn open(path: &Path, permit: OwnedSemaphorePermit) -> Result<Self, Error> {
        let connection = open::reader(path)?;
        // The moment is that of the first read, not that of BEGIN.
        connection.execute_batch("BEGIN; SELECT COUNT(*) FROM migrations")?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), _permit: Some(permit) })
    }

    /// The moment of a database in memory is a copy of it.
    pub(super) fn copy(connection: &Connection) -> Result<Self, Error> {
        let mut copy = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(connection, &mut copy)?.step(-1)?;
        copy.pragma_update(None, "query_only", true)?;
        Ok(Self { connection: Arc::new(Mutex::new(copy)), _permit: None })
    }

    pub(in crate::db) async fn query(&self, statement: Statement) -> Result<Vec<Row>, Error> {
        let connection = Arc::clone(&self.connection);
        let query = move || execute(&connection.lock(), &statement).map(|outcome| outcome.rows);
        tokio::task::spawn_blocking(query).await.map_err(|_| Error::Unavailable)?
    }
}
