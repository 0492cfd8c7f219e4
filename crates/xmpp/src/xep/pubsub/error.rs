//! Errors of XEP-0060: a condition of RFC 6120 with one of `pubsub#errors`.

use crate::error::{Condition, StanzaError};
use crate::ns;

/// An error with a condition of `pubsub#errors`.
pub fn error(condition: Condition, name: &'static str) -> StanzaError {
    StanzaError::new(condition).with_application(name, ns::PUBSUB_ERRORS)
}

/// A part of XEP-0060 that is not supported, by its name in the list of features.
pub fn unsupported(feature: &'static str) -> StanzaError {
    StanzaError { feature: Some(feature), ..error(Condition::FeatureNotImplemented, "unsupported") }
}
