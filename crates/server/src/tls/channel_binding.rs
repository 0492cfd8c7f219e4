//! The channel bindings of a TLS connection: `tls-exporter` (RFC 9266) and `tls-server-end-point`
//! (RFC 5929 §4).

use aws_lc_rs::digest;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{self as oid, Oid};
use x509_parser::signature_algorithm::SignatureAlgorithm;
use xmpp::sasl::ChannelBindings;

use super::identity::Identity;

/// RFC 9266 §2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What an authentication on `connection` can be bound to. `identity` is the one that served it. Before the
/// handshake is complete there is no `tls-exporter`.
pub fn channel_bindings(connection: &ServerConnection, identity: &Identity) -> ChannelBindings {
    // RFC 9266 §2: the context is present and empty, which differs from absent in TLS 1.2.
    let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]));
    ChannelBindings {
        tls_exporter: exporter.ok(),
        tls_server_end_point: identity.server_end_point().map(<[u8]>::to_vec),
    }
}

/// The certificate hashed by its signature's hash. `None` where RFC 5929 defines nothing: a signature
/// without a hash of its own, such as Ed25519's.
pub(super) fn server_end_point(der: &CertificateDer<'_>, parsed: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let signature = &parsed.signature_algorithm;
    let algorithm = match SignatureAlgorithm::try_from(signature) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => hash_named(parameters.hash_algorithm_oid())?,
        _ => hash_of_signature(&signature.algorithm)?,
    };
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}

/// MD5 and SHA-1 count as SHA-256 (RFC 5929 §4.1).
fn hash_of_signature(signature: &Oid<'_>) -> Option<&'static digest::Algorithm> {
    let known: [(Oid<'static>, &'static digest::Algorithm); 11] = [
        (oid::OID_PKCS1_MD5WITHRSAENC, &digest::SHA256),
        (oid::OID_PKCS1_SHA1WITHRSA, &digest::SHA256),
        (oid::OID_PKCS1_SHA224WITHRSA, &digest::SHA224),
        (oid::OID_PKCS1_SHA256WITHRSA, &digest::SHA256),
        (oid::OID_PKCS1_SHA384WITHRSA, &digest::SHA384),
        (oid::OID_PKCS1_SHA512WITHRSA, &digest::SHA512),
        (ECDSA_WITH_SHA1, &digest::SHA256),
        (oid::OID_SIG_ECDSA_WITH_SHA224, &digest::SHA224),
        (oid::OID_SIG_ECDSA_WITH_SHA256, &digest::SHA256),
        (oid::OID_SIG_ECDSA_WITH_SHA384, &digest::SHA384),
        (oid::OID_SIG_ECDSA_WITH_SHA512, &digest::SHA512),
    ];
    known.into_iter().find(|(name, _)| name == signature).map(|(_, algorithm)| algorithm)
}

/// RFC 3279 §2.2.3.
const ECDSA_WITH_SHA1: Oid<'static> = x509_parser::asn1_rs::oid!(1.2.840.10045.4.1);

fn hash_named(hash: &Oid<'_>) -> Option<&'static digest::Algorithm> {
    let known: [(Oid<'static>, &'static digest::Algorithm); 4] = [
        (oid::OID_HASH_SHA1, &digest::SHA256),
        (oid::OID_NIST_HASH_SHA256, &digest::SHA256),
        (oid::OID_NIST_HASH_SHA384, &digest::SHA384),
        (oid::OID_NIST_HASH_SHA512, &digest::SHA512),
    ];
    known.into_iter().find(|(name, _)| name == hash).map(|(_, algorithm)| algorithm)
}
