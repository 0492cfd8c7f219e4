//! The server's certificate and the TLS that it serves: for STARTTLS (RFC 6120 §5), for direct TLS
//! (XEP-0368) and for HTTPS.
//!
//! An [`Identity`] is one certificate with everything made from it and never changes; [`Tls`] holds the
//! current one. A connection takes [`Tls::current`] once and keeps it, so that its channel bindings speak
//! of the certificate that it really served, also when a new one was loaded meanwhile.

mod channel_binding;
mod error;
mod identity;
mod reload;
mod self_signed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tracing::warn;

pub use channel_binding::channel_bindings;
pub use error::{FileKind, TlsError};
pub use identity::Identity;
pub use self_signed::self_signed;

use reload::Stamps;

/// The files of the certificate and its key, and what they held when they were last good.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<Identity>>,
    /// The files as they were when last read; locked while reading them.
    seen: Mutex<Stamps>,
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and its private key, both PEM. Warns
    /// about a certificate that has expired or soon will.
    ///
    /// # Errors
    /// See [`TlsError`]; each is one line that says what to do.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = Stamps::of(cert, key);
        let identity = load_identity(cert, key)?;
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(Arc::new(identity)),
            seen: Mutex::new(seen),
        })
    }

    /// The certificate for the next connection.
    pub fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.current.read())
    }

    /// Shorthand for [`Identity::starttls_config`]. Ask again for every connection.
    pub fn starttls_config(&self) -> Arc<ServerConfig> {
        self.current.read().starttls_config()
    }

    /// Shorthand for [`Identity::direct_config`]. Ask again for every connection.
    pub fn direct_config(&self) -> Arc<ServerConfig> {
        self.current.read().direct_config()
    }
}

fn load_identity(cert: &Path, key: &Path) -> Result<Identity, TlsError> {
    let identity = Identity::load(cert, key)?;
    for warning in identity.warnings(crate::clock::now_ms() / 1000) {
        warn!(file = %cert.display(), "{warning}");
    }
    Ok(identity)
}

#[cfg(test)]
mod tests;
