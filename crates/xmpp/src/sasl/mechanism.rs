//! The SASL mechanisms Whimbrel speaks, strongest first.
//!
//! Names: RFC 5802 §4 (SCRAM, `-PLUS` binds the exchange to the TLS channel), RFC 7677, RFC 4616.

use std::fmt;
use std::str::FromStr;

use super::hash::Hash;

/// A SASL mechanism. The order of the variants is the order of preference, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256 bound to the TLS channel.
    ScramSha256Plus,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-1 bound to the TLS channel.
    ScramSha1Plus,
    /// SCRAM-SHA-1.
    ScramSha1,
    /// The password itself; only ever inside TLS.
    Plain,
}

impl Mechanism {
    /// All mechanisms, best first.
    pub const ALL: [Self; 5] =
        [Self::ScramSha256Plus, Self::ScramSha256, Self::ScramSha1Plus, Self::ScramSha1, Self::Plain];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
        }
    }

    /// The hash of a SCRAM mechanism; `None` for PLAIN.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(Hash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(Hash::Sha1),
            Self::Plain => None,
        }
    }

    /// Whether the mechanism binds to the TLS channel.
    pub const fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of [`Mechanism::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown SASL mechanism")]
pub struct UnknownMechanism;

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    /// Names are compared exactly: RFC 4422 §3.1 allows upper case only.
    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name).ok_or(UnknownMechanism)
    }
}
