//! What can be wrong with a certificate or its key, each in one line that says what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Which of the two files a [`TlsError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The certificate chain, `tls.cert`.
    Certificate,
    /// The private key, `tls.key`.
    Key,
}

impl FileKind {
    const fn setting(self) -> &'static str {
        match self {
            Self::Certificate => "tls.cert",
            Self::Key => "tls.key",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
        })
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is missing, or this process may not read it.
    #[error("cannot read the {kind} file {}: {source}; point {} to a PEM file that the server may read", path.display(), kind.setting())]
    Unreadable {
        /// Which file.
        kind: FileKind,
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is too large to be what it should be.
    #[error("the {kind} file {} is too large; point {} to a PEM file", path.display(), kind.setting())]
    TooLarge {
        /// Which file.
        kind: FileKind,
        /// Where it is.
        path: PathBuf,
    },
    /// Damaged PEM.
    #[error("the {kind} file {} is damaged ({reason}); write it again as PEM", path.display())]
    Damaged {
        /// Which file.
        kind: FileKind,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it; never any of its content.
        reason: &'static str,
    },
    /// PEM without a certificate, or no PEM at all.
    #[error("{} holds no certificate; tls.cert must be PEM with the server's own certificate first", .0.display())]
    NoCertificate(PathBuf),
    /// No private key, or one under a passphrase.
    #[error("{} holds no private key that can be read without a passphrase; tls.key must be PEM", .0.display())]
    NoKey(PathBuf),
    /// A key that cannot be used for TLS.
    #[error("the key in {} is of a kind that TLS cannot use; take EC P-256, P-384, Ed25519 or RSA with 2048 bits or more", .0.display())]
    UnusableKey(PathBuf),
    /// Two files that do not belong together.
    #[error("the key in {} does not match the first certificate in {}; they must be a pair, and the server's own certificate must come first", key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// TLS itself could not be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(#[source] rustls::Error),
    /// A name that no certificate can carry.
    #[error("{0:?} cannot be named in a certificate; use a domain or an IP address")]
    UnusableName(String),
    /// The certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[source] rcgen::Error),
}
