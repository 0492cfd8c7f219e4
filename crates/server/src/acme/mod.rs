//! A certificate that the server gets and renews by itself (ACME: RFC 8555, RFC 8737, RFC 9773).
//!
//! Everything is in the folder `acme` of the data folder: `account.json` with the account's key, and `certificate.pem`
//! with the certificate's key and chain in one file, so that a crash never leaves a pair that does not fit. The server
//! starts with a certificate that it signed itself and puts the real one in its place without a restart.

mod account;
mod answers;
mod held;
mod order;
mod renewal;
mod schedule;

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub use answers::{Answers, accept};
pub use renewal::renew_forever;

use crate::config::{AcmeConfig, TlsConfig};
use crate::tls::{TlsError, self_signed};

/// Where the certificate is kept when the server gets it itself: key and chain in one file.
pub fn kept_in(tls: TlsConfig, data_dir: &Path) -> TlsConfig {
    let file = folder(data_dir).join("certificate.pem");
    TlsConfig { cert: file.clone(), key: file, ..tls }
}

/// Makes the folder, and a certificate to start with when there is none.
///
/// # Errors
/// When it cannot be written, or a domain cannot stand in a certificate.
pub fn prepare(config: &AcmeConfig, certificate: &Path, data_dir: &Path) -> Result<(), TlsError> {
    let unwritable =
        |source| TlsError::Unreadable { kind: crate::tls::FileKind::Certificate, path: certificate.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder(data_dir)).map_err(unwritable)?;
    if certificate.exists() {
        return Ok(());
    }
    let names: Vec<String> = config.domains.iter().map(|domain| domain.as_str().to_owned()).collect();
    let (chain, key) = self_signed(&names)?;
    replace(certificate, format!("{key}{chain}").as_bytes()).map_err(unwritable)
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("acme")
}

/// Writes a file that only its owner may read, whole or not at all, and lasting.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
