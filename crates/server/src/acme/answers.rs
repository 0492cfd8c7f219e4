//! What the authority is shown when it looks whether a name is ours: a text over HTTP (RFC 8555 §8.3), or a certificate
//! over TLS (RFC 8737 §3). Both are there only while an order is in progress.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use instant_acme::KeyAuthorization;
use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::account::AcmeError;

/// RFC 8737 §6.2.
const ALPN: &[u8] = b"acme-tls/1";

/// Answers to the authority's questions.
#[derive(Debug, Default)]
pub struct Answers {
    /// By token.
    texts: Mutex<HashMap<String, String>>,
    /// By domain.
    certificates: Mutex<HashMap<String, Arc<ServerConfig>>>,
    /// Whether there is any certificate: then TLS listeners look at who comes.
    is_asked: AtomicBool,
}

impl Answers {
    /// The text for a token of http-01; None for one that nobody gave us.
    pub fn text(&self, token: &str) -> Option<String> {
        self.texts.lock().get(token).cloned()
    }

    pub(super) fn offer_text(&self, token: &str, authorization: &KeyAuthorization) {
        self.texts.lock().insert(token.to_owned(), authorization.as_str().to_owned());
    }

    /// Offers the certificate for a domain of tls-alpn-01.
    pub(super) fn offer_certificate(&self, domain: &str, authorization: &KeyAuthorization) -> Result<(), AcmeError> {
        let config = challenge_config(domain, authorization.digest().as_ref())
            .map_err(|error| AcmeError::Unfit(format!("no certificate for the challenge: {error}")))?;
        self.certificates.lock().insert(domain.to_lowercase(), Arc::new(config));
        self.is_asked.store(true, Ordering::Release);
        Ok(())
    }

    /// The order is over.
    pub(super) fn clear(&self) {
        self.is_asked.store(false, Ordering::Release);
        self.texts.lock().clear();
        self.certificates.lock().clear();
    }

    /// What an authority that asks by tls-alpn-01 is served; None for everybody else.
    fn certificate_for(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        // RFC 8737 §3: the client offers this protocol and no other.
        let (Some(ALPN), None) = (protocols.next(), protocols.next()) else { return None };
        self.certificates.lock().get(&hello.server_name()?.to_lowercase()).cloned()
    }
}

/// Accepts a TLS connection on a listener that begins with TLS. None: it was the authority, which has seen its answer.
///
/// # Errors
/// Those of the handshake.
pub async fn accept<S>(answers: &Answers, socket: S, config: Arc<ServerConfig>) -> io::Result<Option<TlsStream<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !answers.is_asked.load(Ordering::Acquire) {
        return TlsAcceptor::from(config).accept(socket).await.map(Some);
    }
    // Boxed, as it is needed for seconds in months.
    Box::pin(async move {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
        match answers.certificate_for(&start.client_hello()) {
            None => start.into_stream(config).await.map(Some),
            Some(answer) => {
                start.into_stream(answer).await?.shutdown().await?;
                Ok(None)
            }
        }
    })
    .await
}

fn challenge_config(domain: &str, digest: &[u8]) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(PrivateKeyDer::try_from(key.serialize_der())?)?;
    // Not by way of `with_single_cert`, which refuses a certificate with the extension that this is all about.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
