//! PostgreSQL's error codes (its documentation, appendix A) in the words of this crate.

use std::error::Error as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::db::{
    Error,
    remote::fault::{Fault, unreachable},
};

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.is_closed() {
            return Self::lost("the connection is closed");
        }
        let Some(reported) = error.as_db_error() else {
            return without_code(&error);
        };
        if is_end_of_connection(reported) {
            return Self::lost(reported.message());
        }
        match *reported.code() {
            // Another node changed the schema: statements must be prepared anew, on a new connection.
            SqlState::FEATURE_NOT_SUPPORTED if reported.message().starts_with("cached plan") => {
                Self::lost(reported.message()).before_commit()
            }
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Self::Undone(Error::Busy),
            _ => Self::Refused(refusal(reported)),
        }
    }
}

/// What the server said, for whoever opens the database.
pub(super) fn connect_error(error: &tokio_postgres::Error, user: &str, database: &str) -> Error {
    let said = match error.as_db_error() {
        Some(reported) => match *reported.code() {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                format!("user {user:?} was refused: {}", reported.message())
            }
            SqlState::INVALID_CATALOG_NAME => {
                format!("there is no database {database:?}: create it with `createdb --encoding UTF8 {database}`")
            }
            _ => reported.message().to_owned(),
        },
        None => match error.source() {
            Some(source) => source.downcast_ref().map_or_else(|| source.to_string(), unreachable),
            None => error.to_string(),
        },
    };
    Error::Connect(said.replace('\n', " "))
}

fn without_code(error: &tokio_postgres::Error) -> Fault {
    let Some(source) = error.source() else { return Fault::lost(error) };
    // A value that does not fit its parameter, or a row that does not fit a value: nothing is wrong with the connection.
    if source.is::<std::io::Error>() {
        return Fault::lost(source);
    }
    Fault::Refused(Error::Statement(format!("{error}: {source}")))
}

/// The server ends, or ended this connection.
fn is_end_of_connection(reported: &DbError) -> bool {
    let code = reported.code();
    matches!(reported.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        || *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
        || *code == SqlState::CANNOT_CONNECT_NOW
        || code.code().starts_with("08")
}

fn refusal(reported: &DbError) -> Error {
    // Details hold values; the names of table and constraint are enough.
    let constraint = || reported.constraint().or(reported.column()).unwrap_or_else(|| reported.message()).to_owned();
    match *reported.code() {
        SqlState::UNIQUE_VIOLATION => Error::Conflict(constraint()),
        SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY => Error::Full,
        SqlState::READ_ONLY_SQL_TRANSACTION => Error::ReadOnly,
        SqlState::QUERY_CANCELED => Error::TimedOut,
        SqlState::LOCK_NOT_AVAILABLE => Error::Busy,
        SqlState::INSUFFICIENT_PRIVILEGE => Error::Denied,
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Error::Corrupt(reported.message().to_owned()),
        SqlState::IO_ERROR => Error::Io(reported.message().to_owned()),
        ref code if code.code().starts_with("23") => Error::Constraint(constraint()),
        _ => Error::Statement(reported.message().to_owned()),
    }
}
