//! Why something with a node was not done.

use xmpp::error::{Condition, StanzaError};

/// Why something with a node was not done.
#[derive(Debug)]
pub enum Failure {
    /// It may not be, or makes no sense; nothing has changed.
    Refused(StanzaError),
    /// The database failed: what is cached may be wrong.
    Storage(storage::Error),
}

impl From<StanzaError> for Failure {
    fn from(error: StanzaError) -> Self {
        Self::Refused(error)
    }
}

impl From<Condition> for Failure {
    fn from(condition: Condition) -> Self {
        Self::Refused(condition.into())
    }
}

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<Failure> for StanzaError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Storage(error) => error.into(),
        }
    }
}
