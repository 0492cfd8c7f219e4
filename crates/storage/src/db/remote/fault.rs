//! What a database server's error means for a transaction and for its connection.

use std::io;

use crate::db::Error;

#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection is of no more use.
    Lost {
        /// For the log.
        why: String,
        /// `COMMIT` was not sent: nothing is stored. Otherwise nobody knows.
        undone: bool,
    },
    /// The database undid the transaction for the sake of another, and would take it again.
    Undone(Error),
    /// The statement cannot be carried out.
    Refused(Error),
}

impl Fault {
    pub(crate) fn lost(why: impl ToString) -> Self {
        Self::Lost { why: why.to_string(), undone: false }
    }

    /// The same, of a connection on which `COMMIT` was not sent.
    pub(crate) fn before_commit(self) -> Self {
        match self {
            Self::Lost { why, .. } => Self::Lost { why, undone: true },
            other => other,
        }
    }

    /// For whoever is not concerned with connections.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Lost { why, .. } => Error::Connect(why),
            Self::Undone(error) | Self::Refused(error) => error,
        }
    }
}

/// Why a server was not reached, and what to do about it.
pub(in crate::db) fn unreachable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            format!("nobody listens there ({error}): start the database server, or mend storage.url")
        }
        io::ErrorKind::InvalidData => format!("TLS: {error}: sslrootcert names a file with the authority to trust"),
        _ => error.to_string(),
    }
}
