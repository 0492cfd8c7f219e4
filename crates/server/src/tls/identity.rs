//! One certificate with its key, and the TLS configurations that serve it.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, InconsistentKeys, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::channel_binding;
use super::error::{FileKind, TlsError};

/// Largest certificate or key file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How long before its end a certificate is warned about, in days.
const EXPIRY_WARNING_DAYS: i64 = 14;

const DAY_SECS: i64 = 24 * 60 * 60;

/// The ALPN protocol of XMPP over direct TLS (XEP-0368).
const ALPN_XMPP_CLIENT: &[u8] = b"xmpp-client";
/// Those of HTTP, the better one first (RFC 9113 §3.1).
const ALPN_HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate, its key, and what was made from them. It never changes.
///
/// Tickets of one identity mean nothing to the next: a client that resumes has therefore seen the very
/// certificate that `tls-server-end-point` speaks of.
pub struct Identity {
    starttls: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
    https: Arc<ServerConfig>,
    end_point: Option<Vec<u8>>,
    names: Vec<String>,
    /// Seconds since the Unix epoch.
    not_before_secs: i64,
    not_after_secs: i64,
}

impl Identity {
    /// Reads both files, which are PEM.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(cert)?;
        let own = chain.first().ok_or_else(|| TlsError::NoCertificate(cert.to_owned()))?.clone();
        let (_, parsed) = X509Certificate::from_der(&own).map_err(|_| TlsError::Damaged {
            kind: FileKind::Certificate,
            path: cert.to_owned(),
            reason: "not an X.509 certificate",
        })?;

        let private = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(read_key(key)?)
            .map_err(|_| TlsError::UnusableKey(key.to_owned()))?;
        let certified = Arc::new(CertifiedKey::new(chain, private));
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() }),
        }

        let config = |alpn: &[&[u8]]| server_config(&certified, alpn).map_err(TlsError::Setup);
        Ok(Self {
            // Whatever ALPN a STARTTLS client offers, the protocol is settled already.
            starttls: config(&[])?,
            direct: config(&[ALPN_XMPP_CLIENT])?,
            https: config(&ALPN_HTTP)?,
            end_point: channel_binding::server_end_point(&own, &parsed),
            names: dns_names(&parsed),
            not_before_secs: parsed.validity().not_before.timestamp(),
            not_after_secs: parsed.validity().not_after.timestamp(),
        })
    }

    /// For streams that turn to TLS after `<starttls/>`.
    pub fn starttls_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.starttls)
    }

    /// For connections that begin with TLS. A client that offers other ALPN protocols than `xmpp-client` is
    /// refused with `no_application_protocol`; one that offers none is welcome.
    pub fn direct_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.direct)
    }

    /// For HTTPS: HTTP/2 or HTTP/1.1, as the client likes.
    pub fn https_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.https)
    }

    /// The value of `tls-server-end-point`; `None` for signatures that have no hash of their own.
    pub fn server_end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    /// When the certificate ends, in seconds since the Unix epoch.
    pub fn not_after_secs(&self) -> i64 {
        self.not_after_secs
    }

    /// Whether a client that wants `domain` (in ASCII form) is content with the certificate's names
    /// (RFC 6125 §6.4; a wildcard stands for one label).
    pub fn covers(&self, domain: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => domain.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => name.eq_ignore_ascii_case(domain),
        })
    }

    /// What an operator should know at this time (seconds since the Unix epoch); usually nothing.
    pub fn warnings(&self, now_secs: i64) -> Vec<String> {
        let days = (self.not_after_secs - now_secs) / DAY_SECS;
        if now_secs > self.not_after_secs {
            vec!["the certificate has expired: clients will refuse it, renew it".to_owned()]
        } else if now_secs < self.not_before_secs {
            vec!["the certificate is not valid yet: check the clock".to_owned()]
        } else if days < EXPIRY_WARNING_DAYS {
            vec![format!("the certificate expires in {days} days: renew it")]
        } else {
            Vec::new()
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.names)
            .field("not_after_secs", &self.not_after_secs)
            .finish_non_exhaustive()
    }
}

fn server_config(certified: &Arc<CertifiedKey>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
    let resolver = SingleCertAndKey::from(Arc::clone(certified));
    let mut provider = aws_lc_rs::default_provider();
    // AES-128 first: as safe, and its handshake hashes with SHA-256, which is half the work of SHA-384.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256); // tidy: allow vendors, the name of a cipher
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // Clients resume by tickets, which cost the server no memory.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.ignore_client_order = true;
    // RFC 7627: without it, keys exported from TLS 1.2 bind to nothing (RFC 9266 §4.2).
    config.require_ems = true;
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(FileKind::Certificate, path)?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(FileKind::Certificate, path, &error))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(FileKind::Key, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        error => damaged(FileKind::Key, path, &error),
    })
}

fn damaged(kind: FileKind, path: &Path, error: &pem::Error) -> TlsError {
    // The parser's own words quote the file, which may be a key.
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "not PEM",
    };
    TlsError::Damaged { kind, path: path.to_owned(), reason }
}

fn read(kind: FileKind, path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content))
        .map_err(|source| TlsError::Unreadable { kind, path: path.to_owned(), source })?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { kind, path: path.to_owned() });
    }
    Ok(content)
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}
