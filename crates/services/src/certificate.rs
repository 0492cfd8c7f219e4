//! A certificate for a server on loopback, which is its own authority.

use std::path::Path;

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair};

/// Writes `cert.pem` and `key.pem`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    std::fs::write(folder.join("cert.pem"), certificate.pem())?;
    let path = folder.join("key.pem");
    std::fs::write(&path, key.serialize_pem())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode)?;
    Ok(())
}
