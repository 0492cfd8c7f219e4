//! Bad files, and the line an operator reads for each.

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

use super::*;

#[track_caller]
fn complains(files: &Files, words: &str) {
    let line = files.load().unwrap_err().to_string();
    assert!(line.contains(words), "{line}");
    assert!(!line.contains('\n'));
}

#[test]
fn a_missing_file_is_named_with_its_setting() {
    let files = Files::new("example.org");
    fs::remove_file(&files.key).unwrap();
    complains(&files, "cannot read the key file");
    complains(&files, "tls.key");
    fs::remove_file(&files.cert).unwrap();
    complains(&files, "cannot read the certificate file");
    complains(&files, "tls.cert");
}

#[test]
fn files_without_the_right_content_are_told_apart() {
    let files = Files::new("example.org");
    let cert = fs::read_to_string(&files.cert).unwrap();
    let key = fs::read_to_string(&files.key).unwrap();

    fs::write(&files.cert, &key).unwrap();
    complains(&files, "holds no certificate");
    fs::write(&files.cert, "").unwrap();
    complains(&files, "holds no certificate");
    fs::write(&files.cert, cert.replace("-----END CERTIFICATE-----", "")).unwrap();
    complains(&files, "a section has no end");
    fs::write(&files.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    complains(&files, "not an X.509 certificate");
    fs::write(&files.cert, "x".repeat(1024 * 1024 + 1)).unwrap();
    complains(&files, "too large");

    fs::write(&files.cert, &cert).unwrap();
    fs::write(&files.key, &cert).unwrap();
    complains(&files, "holds no private key");
    fs::write(&files.key, key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")).unwrap();
    complains(&files, "without a passphrase");
    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    complains(&files, "of a kind that TLS cannot use");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let files = Files::new("example.org");
    let (_, other) = self_signed(&["example.org".to_owned()]).unwrap();
    fs::write(&files.key, other).unwrap();
    complains(&files, "does not match the first certificate");
}

#[test]
fn what_is_wrong_with_a_key_never_quotes_it() {
    let files = Files::new("example.org");
    let key = fs::read_to_string(&files.key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let (beginning, _) = secret.split_at(16);
    for broken in [key.replace("-----END", "!----END"), key.replace(secret, &format!("{secret}!"))] {
        fs::write(&files.key, broken).unwrap();
        let error = files.load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(beginning));
    }
}

#[test]
fn an_ending_certificate_is_a_warning_only() {
    let files = Files::new("example.org");
    let identity = files.load().unwrap().current();
    let end = identity.not_after_secs();
    let warning = |now_secs| identity.warnings(now_secs).join(" ");
    assert_eq!(warning(end - 100 * 86_400), "");
    assert!(warning(end - 3 * 86_400 - 1).contains("expires in 3 days"));
    assert!(warning(end + 1).contains("has expired"));
    assert!(warning(0).contains("not valid yet"));
}

#[test]
fn names_are_covered_by_themselves_or_a_wildcard_of_one_label() {
    let files = Files::new("Example.org");
    assert!(files.load().unwrap().current().covers("example.ORG"));
    assert!(!files.load().unwrap().current().covers("www.example.org"));

    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(["*.example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    let identity = files.load().unwrap().current();
    assert!(identity.covers("conference.example.org"));
    assert!(!identity.covers("example.org") && !identity.covers("a.b.example.org"));
}

#[test]
fn an_ed25519_certificate_works_but_has_no_end_point_binding() {
    let files = Files::new("example.org");
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let cert = CertificateParams::new(["example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    assert_eq!(files.load().unwrap().current().server_end_point(), None);
}

#[test]
fn names_that_no_certificate_can_carry_are_refused() {
    for name in ["", "exa mple.org", "user@example.org", "a..b"] {
        let error = self_signed(&[name.to_owned()]).unwrap_err();
        assert!(matches!(error, TlsError::UnusableName(_)), "{name:?}");
    }
}
