//! What a client is told when the database fails (RFC 6120 §8.3.3): nothing about the database.

use xmpp::error::{Condition, ErrorType, StanzaError};

use crate::Error;

impl From<Error> for StanzaError {
    /// A full disk or a database out of reach may get better: `wait`. The rest is a fault in the server.
    fn from(error: Error) -> Self {
        if error.is_full() {
            return Self::with_text(Condition::ResourceConstraint, "the server cannot store more");
        }
        if error.is_temporary() {
            return Self::with_text(Condition::InternalServerError, "try again in a while").of_type(ErrorType::Wait);
        }
        Self::new(Condition::InternalServerError)
    }
}
