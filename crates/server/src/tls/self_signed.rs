//! A certificate for trying things out, which is also its own root of trust.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    SanType,
};
use time::{Duration, OffsetDateTime};

use super::error::TlsError;

/// How long the certificate is good for.
const LIFETIME: Duration = Duration::days(365);

/// Valid since yesterday: clocks of other devices run late.
const BACKDATED: Duration = Duration::days(1);

/// Makes a certificate and its key (EC P-256), both as PEM: `(certificate, key)`. `names` are domains and
/// IP addresses; the first one also becomes the subject.
///
/// A client that trusts the certificate's file as a root accepts the server. It cannot sign others:
/// trusting it trusts this server only.
///
/// # Errors
/// [`TlsError::UnusableName`] for a name that is neither domain nor address, [`TlsError::SelfSigned`].
pub fn self_signed(names: &[String]) -> Result<(String, String), TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::SelfSigned)?;
    let now = OffsetDateTime::from_unix_timestamp(crate::clock::now_ms() / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);

    let mut params = CertificateParams::default();
    params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject(names));
    params.not_before = now - BACKDATED;
    params.not_after = now + LIFETIME;
    params.is_ca = IsCa::ExplicitNoCa;
    // No key usage: OpenSSL takes a root only if that is absent or allows signing, and RFC 5280 §4.2.1.3
    // forbids a certificate that is no CA to allow it.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(TlsError::SelfSigned)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A common name holds 64 characters at most (RFC 5280 appendix A.1); nobody reads it for long.
fn subject(names: &[String]) -> String {
    match names.first() {
        Some(name) if name.len() <= 64 => name.clone(),
        _ => "whimbrel".to_owned(),
    }
}

fn alternative(name: &str) -> Result<SanType, TlsError> {
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let unusable = || TlsError::UnusableName(name.to_owned());
    let ascii = idna::domain_to_ascii_strict(name).map_err(|_| unusable())?;
    Ok(SanType::DnsName(ascii.try_into().map_err(|_| unusable())?))
}
