//! The certificate that is there: what decides whether it is to be renewed.

use std::path::Path;

use instant_acme::CertificateIdentifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, Der};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

/// The line in front of a certificate that says where it came from; readers of PEM pass over it.
pub(super) fn origin_line(directory: &str) -> String {
    format!("{ORIGIN}{directory}\n")
}

const ORIGIN: &str = "Issued by way of ";

/// What is known of a certificate.
#[derive(Debug)]
pub(super) struct Held {
    /// Its names, in lower case.
    names: Vec<String>,
    /// Seconds since the epoch.
    pub(super) validity: (i64, i64),
    /// The directory of the authority that it came from; None for one that nobody else signed.
    origin: Option<String>,
    /// By which its authority knows it (RFC 9773 §4.1); None where it cannot be named.
    pub(super) identifier: Option<CertificateIdentifier<'static>>,
}

impl Held {
    /// Reads the first certificate of a PEM file; None when there is none that can be read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        let der = CertificateDer::pem_slice_iter(&text).next()?.ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let validity = parsed.validity();
        Some(Self {
            names: dns_names(&parsed),
            validity: (validity.not_before.timestamp(), validity.not_after.timestamp()),
            origin: String::from_utf8_lossy(&text)
                .lines()
                .next()
                .and_then(|line| line.strip_prefix(ORIGIN))
                .map(str::to_owned),
            identifier: identifier(&parsed),
        })
    }

    /// Why it must be replaced at once, whatever its age. None: it need not be.
    pub(super) fn unfit(&self, domains: &[String], directory: &str) -> Option<&'static str> {
        match self.origin.as_deref() {
            None => return Some("it is signed by no authority"),
            Some(origin) if origin != directory => return Some("it is of another authority"),
            Some(_) => {}
        }
        let covers = |domain: &String| self.names.contains(&domain.to_lowercase());
        (!domains.iter().all(covers)).then_some("it lacks a domain")
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_lowercase()),
            _ => None,
        })
        .collect()
}

fn identifier(certificate: &X509Certificate<'_>) -> Option<CertificateIdentifier<'static>> {
    let authority = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    })?;
    let serial = certificate.tbs_certificate.raw_serial();
    Some(CertificateIdentifier::new(Der::from_slice(authority), Der::from_slice(serial)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_to_start_with_is_replaced_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("certificate.pem");
        assert!(Held::read(&file).is_none());
        let (chain, key) = crate::tls::self_signed(&[String::from("example.org")]).unwrap();
        std::fs::write(&file, format!("{key}{chain}")).unwrap();
        let held = Held::read(&file).unwrap();
        assert_eq!(held.names, ["example.org"]);
        let names = [String::from("example.org")];
        assert!(held.unfit(&names, "https://a").is_some());
        std::fs::write(&file, format!("{}{key}{chain}", origin_line("https://a"))).unwrap();
        let held = Held::read(&file).unwrap();
        assert_eq!(held.unfit(&names, "https://a"), None);
        assert!(held.unfit(&names, "https://b").is_some());
        assert!(held.unfit(&[String::from("example.com")], "https://a").is_some());
        assert!(crate::tls::Tls::load(&file, &file).is_ok(), "the server reads it too");
    }
}
