//! PLAIN: what is understood, and what is refused.

use super::*;
use crate::sasl::Condition::{self, *};
use crate::sasl::plain;

fn condition(message: &[u8]) -> Condition {
    plain::parse(message, &domain()).unwrap_err().condition
}

#[test]
fn a_claim_names_an_account_and_checks_against_both_kinds_of_keys() {
    for message in [&b"\0romeo\0s3cret"[..], b"romeo@example.org\0romeo\0s3cret", b"\0ROMEO\0s3\xc2\xadcret"] {
        let claim = plain::parse(message, &domain()).unwrap();
        assert_eq!(claim.account.to_string(), "romeo@example.org");
        for hash in [Hash::Sha1, Hash::Sha256] {
            assert!(keys(hash, "s3cret").matches(&claim.password));
            assert!(!keys(hash, "S3cret").matches(&claim.password));
        }
    }
}

#[test]
fn what_a_client_encodes_is_understood() {
    let message = plain::encode("romeo", &password("s3cret"));
    assert_eq!(plain::parse(&message, &domain()).unwrap().password, password("s3cret"));
}

#[test]
fn broken_messages_earn_their_condition() {
    let long_name = [b"\0", "x".repeat(1024).as_bytes(), b"\0s3cret"].concat();
    for message in [
        &b""[..],
        b"romeo",
        b"\0romeo",
        b"\0romeo\0",
        b"\0\0s3cret",
        b"\0romeo\0s3\0cret",
        b"\0rom\xff\0s3cret",
        &long_name,
        &[0; 9000],
    ] {
        assert_eq!(condition(message), MalformedRequest, "{message:?}");
    }
    assert_eq!(condition(b"juliet@example.org\0romeo\0s3cret"), InvalidAuthzid);
    assert_eq!(condition(b"\0ro@meo\0s3cret"), NotAuthorized);
    assert_eq!(condition(b"\0romeo\0s3\x07cret"), NotAuthorized);
    assert_eq!(condition(&[b"\0romeo\0", "x".repeat(1025).as_bytes()].concat()), NotAuthorized);
}

#[test]
fn secrets_do_not_print_themselves() {
    let claim = plain::parse(b"\0romeo\0s3cret", &domain()).unwrap();
    assert!(!format!("{claim:?} {:?} {:?}", keys(Hash::Sha1, "s3cret"), bindings()).contains("s3cret"));
    assert_eq!(format!("{:?}", bindings()), "[TlsExporter, TlsServerEndPoint]");
}
