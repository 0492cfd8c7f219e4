//! That a database is being filled as a whole. What broke off on the way is no deployment: whoever opens it is told to
//! run the same command again, unless [`Options::filling`](crate::Options::filling) says that this is it.

use crate::{Db, Error, Statement};

/// Notes that `command` fills the database.
///
/// # Errors
/// When the database cannot be written.
pub async fn begin_filling(db: &Db, command: &'static str) -> Result<(), Error> {
    let sql =
        "INSERT INTO filling (one, command) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET command = excluded.command";
    db.execute(Statement::new(sql, [command.into()])).await.map(drop)
}

/// Notes that the database is whole.
///
/// # Errors
/// When the database cannot be written.
pub async fn end_filling(db: &Db) -> Result<(), Error> {
    db.execute(Statement::new("DELETE FROM filling", [])).await.map(drop)
}

/// The command that fills the database, or broke off while it did.
///
/// # Errors
/// When the database cannot be read.
pub async fn filled_by(db: &Db) -> Result<Option<String>, Error> {
    let row = db.query_one(Statement::new("SELECT command FROM filling", [])).await?;
    row.map(|mut row| row.text()).transpose()
}
