//! Real handshakes with a client that trusts only what the server's own file holds.

mod files;
mod handshakes;
mod renewal;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;

/// A folder with a certificate and its key.
struct Files {
    _dir: TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let files = Self { _dir: dir, cert, key };
        files.replace(name);
        files
    }

    /// Writes another certificate and key in place of the old ones.
    fn replace(&self, name: &str) {
        let (cert, key) = self_signed(&[name.to_owned()]).unwrap();
        fs::write(&self.cert, cert).unwrap();
        fs::write(&self.key, key).unwrap();
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(&self.cert, &self.key)
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.cert).unwrap()
    }

    /// A client's configuration that trusts the certificate in the file right now.
    fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(8);
        config
    }
}

type Stream = tokio::io::DuplexStream;
type Outcome = (std::io::Result<server::TlsStream<Stream>>, std::io::Result<client::TlsStream<Stream>>);

/// Both ends of a handshake for `name`.
async fn handshake(server: Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Outcome {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connect = TlsConnector::from(Arc::clone(client)).connect(name, far);
    tokio::join!(TlsAcceptor::from(server).accept(near), connect)
}
