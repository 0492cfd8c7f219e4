//! Why an operation was not done, for all who ask for it.

use xmpp::error::{Condition, StanzaError};

use crate::provisioning;

/// Why nothing was changed. Each reads as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it was to be done to is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The name is taken.
    #[error("there is a {0} of that name already")]
    Exists(&'static str),
    /// What was asked for makes no sense; the rest of the line says why.
    #[error("{0}")]
    Unusable(String),
    /// A bound of `[limits]` is reached.
    #[error("there are too many already: {0} in [limits] is the bound")]
    Bound(&'static str),
    /// Too many accounts were created from one address.
    #[error("too many accounts were created from this address: wait an hour")]
    TooFast,
    /// The operator has switched it off.
    #[error("{0}")]
    Off(&'static str),
    /// Accounts could not be changed.
    #[error(transparent)]
    Account(#[from] provisioning::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Error {
    /// What the audit log says became of the change.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        use provisioning::Error as Account;
        match self {
            Self::Missing(_) | Self::Account(Account::Missing) => "missing",
            Self::Exists(_) | Self::Account(Account::Exists | Account::Reserved) => "exists",
            Self::Unusable(_) | Self::Bound(_) | Self::TooFast | Self::Off(_) | Self::Account(Account::Elsewhere) => {
                "refused"
            }
            Self::Account(Account::NoRandomness | Account::ShuttingDown | Account::Storage(_)) | Self::Storage(_) => {
                "failed"
            }
        }
    }
}

impl From<Error> for StanzaError {
    fn from(error: Error) -> Self {
        match error {
            Error::Missing(_) => StanzaError::with_text(Condition::ItemNotFound, "there is no such thing"),
            Error::Exists(_) => StanzaError::with_text(Condition::Conflict, "the name is taken"),
            Error::Unusable(_) => StanzaError::with_text(Condition::NotAcceptable, "a value cannot be used"),
            Error::Bound(_) => StanzaError::with_text(Condition::ResourceConstraint, "there are too many already"),
            Error::TooFast => {
                let text = "too many accounts were created from this address: wait an hour";
                StanzaError::with_text(Condition::ResourceConstraint, text)
            }
            Error::Off(why) => StanzaError::with_text(Condition::NotAllowed, why),
            Error::Account(error) => error.into(),
            Error::Storage(error) => error.into(),
        }
    }
}
