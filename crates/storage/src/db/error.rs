//! What can go wrong between this crate and a database. No message contains a
//! value of a row, a parameter or a password.

use crate::Fingerprint;

/// An error of the database, in words that help whoever operates it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage URL names a database this binary does not speak to.
    #[error("storage url: unknown scheme {scheme:?}; use sqlite:FILE, postgres://... or mysql://...")]
    Scheme {
        /// What stands before the first colon.
        scheme: String,
    },
    /// The storage URL, or a file that it names, is wrong.
    #[error("storage url: {0}")]
    Url(String),
    /// The database could not be opened.
    #[error("cannot open {path}: {cause}")]
    Open {
        /// The file, or the server and database.
        path: String,
        /// Why.
        cause: Box<Error>,
    },
    /// The schema is newer than this binary.
    #[error("its schema is version {found}, but this program knows only up to {known}: use the newer program")]
    Schema {
        /// The database's version.
        found: i64,
        /// The newest version this binary knows.
        known: i64,
    },
    /// It was sealed with a master key that is not among those given.
    #[error("the master key does not open this database: it needs the key with fingerprint {fingerprint}")]
    MasterKey {
        /// Of the key that is missing.
        fingerprint: Fingerprint,
    },
    /// It is being filled as a whole, or that broke off.
    #[error("`whimbreld {command}` has not filled it to the end: run that again")]
    Unfinished {
        /// What fills it.
        command: String,
    },
    /// A database server could not be reached, or let nobody in.
    #[error("{0}")]
    Connect(String),
    /// The database was closed, or its server is away. A write may have been stored all the same.
    #[error("the database is unavailable")]
    Unavailable,
    /// Another process held the lock for longer than the busy timeout.
    #[error("the database is locked by another process")]
    Busy,
    /// The database server took longer than the statement timeout.
    #[error("the database took too long")]
    TimedOut,
    /// The database server takes no writes: it is a replica, or was told to.
    #[error("the database only reads: storage url must name the primary")]
    ReadOnly,
    /// The disk, or the database's own limit, is full.
    #[error("the disk is full")]
    Full,
    /// A unique key exists already.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Another constraint was violated.
    #[error("constraint: {0}")]
    Constraint(String),
    /// The file is something else.
    #[error("not a database")]
    NotADatabase,
    /// The file, or a value in it, is not what was once written.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The operating system refused access.
    #[error("permission denied")]
    Denied,
    /// The operating system failed to read or write.
    #[error("input/output error: {0}")]
    Io(String),
    /// The statement itself is wrong: a mistake in this program.
    #[error("statement: {0}")]
    Statement(String),
}

impl Error {
    /// Why a file, or a database on a server, could not be opened.
    pub(crate) fn open(path: impl ToString, cause: Self) -> Self {
        match cause {
            // These name their place themselves.
            Self::Url(_) | Self::Scheme { .. } => cause,
            cause => Self::Open { path: path.to_string(), cause: Box::new(cause) },
        }
    }

    /// Whether a unique key existed already.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether a constraint other than a unique key was violated.
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::Constraint(_))
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// Whether stored bytes were not what was expected.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::NotADatabase)
    }

    /// Whether the same call may succeed later, without anything being mended
    /// in this program: the sender should be told to wait and retry.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Connect(_)
                | Self::Full
                | Self::Io(_)
                | Self::ReadOnly
                | Self::TimedOut
                | Self::Unavailable
        )
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            std::io::ErrorKind::StorageFull => Self::Full,
            _ => Self::Io(error.to_string()),
        }
    }
}
