//! The error numbers of MySQL and MariaDB in the words of this crate. Their texts hold values, and are not passed on
//! where that can be.

use mysql_async::{Error as Reported, IoError, ServerError};

use crate::db::{
    Error,
    remote::fault::{Fault, unreachable},
};

impl From<Reported> for Fault {
    fn from(error: Reported) -> Self {
        match error {
            Reported::Server(reported) => match reported.code {
                // Deadlock; a record that changed since (MariaDB's snapshot isolation).
                1213 | 1020 => Self::Undone(Error::Busy),
                // Shutdown in progress, killed, lost, timed out, too many connections.
                1053 | 1927 | 1152 | 1153 | 1159 | 1161 | 1040 | 1203 | 4031 => Self::lost(reported.message),
                _ => Self::Refused(refusal(&reported)),
            },
            Reported::Io(IoError::Io(error)) => Self::lost(error),
            Reported::Driver(mysql_async::DriverError::StmtParamsMismatch { .. }) => {
                Self::Refused(Error::Statement("wrong number of parameters".into()))
            }
            other => Self::lost(other),
        }
    }
}

/// What the server said, for whoever opens the database.
pub(super) fn connect_error(error: &Reported, user: &str, database: &str) -> Error {
    let said = match error {
        Reported::Server(reported) => match reported.code {
            1045 | 1698 => format!("user {user:?} was refused: check the password"),
            1044 | 1142 => format!("user {user:?} may not use database {database:?}: grant it ALL on it"),
            1049 => format!("there is no database {database:?}: create it with `CREATE DATABASE {database}`"),
            _ => reported.message.clone(),
        },
        Reported::Io(IoError::Io(error)) => unreachable(error),
        Reported::Io(IoError::Tls(error)) => {
            format!("TLS: {error}: sslrootcert names a file with the authority to trust")
        }
        Reported::Driver(mysql_async::DriverError::NoClientSslFlagFromServer) => {
            "the server offers no TLS: set it up there, or write ?sslmode=disable".to_owned()
        }
        other => other.to_string(),
    };
    Error::Connect(said.replace('\n', " "))
}

fn refusal(reported: &ServerError) -> Error {
    match reported.code {
        // "Duplicate entry '...' for key '...'"
        1062 | 1586 => Error::Conflict(key(&reported.message)),
        1048 | 1364 | 1406 | 1264 | 1366 | 1451 | 1452 | 3819 | 4025 => {
            Error::Constraint(format!("error {}", reported.code))
        }
        1021 | 1114 | 3 | 1037 | 1041 => Error::Full,
        1290 | 1792 | 1836 => Error::ReadOnly,
        1205 => Error::Busy,
        1317 | 1969 | 3024 => Error::TimedOut,
        1044 | 1142 | 1143 | 1227 => Error::Denied,
        1034 | 1194 | 1195 => Error::Corrupt(reported.message.clone()),
        _ => Error::Statement(reported.message.clone()),
    }
}

/// The name of the key, which is the last thing in quotes.
fn key(message: &str) -> String {
    message.rsplit('\'').nth(1).unwrap_or("unique key").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_the_key_and_no_value() {
        assert_eq!(key("Duplicate entry 'alice' for key 'accounts.localpart'"), "accounts.localpart");
        assert_eq!(key("Duplicate entry 'it's' for key 'PRIMARY'"), "PRIMARY");
    }
}
