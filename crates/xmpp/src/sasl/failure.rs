//! Why an authentication failed, in the words of RFC 6120 §6.5.

use std::fmt;
use std::str::FromStr;

/// The defined conditions of a SASL failure (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The client gave up.
    Aborted,
    /// The account is closed for now.
    AccountDisabled,
    /// The password was right once, and must be renewed.
    CredentialsExpired,
    /// The mechanism needs TLS first.
    EncryptionRequired,
    /// Not base64.
    IncorrectEncoding,
    /// The requested identity is not the account's own.
    InvalidAuthzid,
    /// The mechanism is not on offer.
    InvalidMechanism,
    /// The message breaks the mechanism's syntax or rules.
    MalformedRequest,
    /// The mechanism is weaker than the account allows.
    MechanismTooWeak,
    /// Wrong credentials, or signs of someone in the middle.
    NotAuthorized,
    /// The server cannot tell right now.
    TemporaryAuthFailure,
}

impl Condition {
    const ALL: [Self; 11] = [
        Self::Aborted,
        Self::AccountDisabled,
        Self::CredentialsExpired,
        Self::EncryptionRequired,
        Self::IncorrectEncoding,
        Self::InvalidAuthzid,
        Self::InvalidMechanism,
        Self::MalformedRequest,
        Self::MechanismTooWeak,
        Self::NotAuthorized,
        Self::TemporaryAuthFailure,
    ];

    /// The element's local name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Condition {
    type Err = ();

    /// Fails for names outside RFC 6120 §6.5; a client treats those as `not-authorized`.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|condition| condition.name() == name).ok_or(())
    }
}

/// A failed authentication: the condition for the peer, and a reason that gives nothing away.
///
/// An unknown account and a wrong password yield the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{condition}: {reason}")]
pub struct Failure {
    /// What the peer is told.
    pub condition: Condition,
    /// A fixed sentence for the log or the failure's `<text/>`; it never quotes the peer.
    pub reason: &'static str,
}

impl Failure {
    /// A failure with any condition.
    pub const fn new(condition: Condition, reason: &'static str) -> Self {
        Self { condition, reason }
    }

    pub(super) const fn malformed(reason: &'static str) -> Self {
        Self::new(Condition::MalformedRequest, reason)
    }

    pub(super) const fn not_authorized(reason: &'static str) -> Self {
        Self::new(Condition::NotAuthorized, reason)
    }
}
