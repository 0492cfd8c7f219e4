//! TLS for the test client: it trusts exactly the certificates of one file, whatever they say about
//! themselves, which is what a test of a self-signed server means.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Shakes hands on `tcp`; `alpn` is offered when given (`xmpp-client` on a direct TLS port, XEP-0368).
pub(crate) async fn connect(
    tcp: TcpStream,
    domain: &str,
    ca: &Path,
    alpn: Option<&str>,
) -> Result<TlsStream<TcpStream>> {
    let config = config(ca, alpn)?;
    TlsConnector::from(Arc::new(config)).connect(server_name(domain)?, tcp).await.context("TLS handshake")
}

/// An HTTP client that trusts the certificate in the file `ca` and nothing else ([`TestServer::ca`](crate::TestServer)).
///
/// # Errors
/// When the file cannot be read.
pub fn http_client(ca: &Path) -> Result<reqwest::Client> {
    let mut config = config(ca, None)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder().tls_backend_preconfigured(config).timeout(crate::DEADLINE * 3).build()?)
}

/// The first message of a handshake on a direct TLS port.
pub(crate) fn client_hello(domain: &str, ca: &Path) -> Result<Vec<u8>> {
    let config = config(ca, Some("xmpp-client"))?;
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), server_name(domain)?)?.write_tls(&mut hello)?;
    Ok(hello)
}

fn config(ca: &Path, alpn: Option<&str>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let trusted: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(ca).with_context(|| format!("cannot read {}", ca.display()))?.collect();
    let pinned = Pinned { trusted: trusted?, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

fn server_name(domain: &str) -> Result<ServerName<'static>> {
    Ok(match domain.parse::<IpAddr>() {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(domain.to_owned())?,
    })
}

#[derive(Debug)]
struct Pinned {
    trusted: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusted.iter().any(|certificate| certificate == end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
