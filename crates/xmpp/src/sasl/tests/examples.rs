//! The exchanges printed in RFC 5802 §5 and RFC 7677 §3, seen from both ends.

use super::*;
use crate::sasl::{Mechanism, message, scram, scram_client};

struct Example {
    mechanism: Mechanism,
    client_nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    client_first: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

const RFC_5802: Example = Example {
    mechanism: Mechanism::ScramSha1,
    client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
    server_nonce: "3rfcNHYJY1ZVvWVs7j",
    salt: "QSXCR+Q6sek8bf92",
    client_first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
};

const RFC_7677: Example = Example {
    mechanism: Mechanism::ScramSha256,
    client_nonce: "rOprNGfwEbeRWgbNEkqO",
    server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

#[test]
fn the_server_answers_as_the_rfcs_print_it() {
    for example in [RFC_5802, RFC_7677] {
        let (domain, bindings) = (domain(), no_bindings());
        let offer = Offer::of_server(&bindings, false);
        let waiting = scram::begin(
            example.mechanism,
            example.client_first.as_bytes(),
            &channel(&domain, &offer, &bindings),
            example.server_nonce,
        )
        .unwrap();
        assert_eq!(waiting.account().to_string(), "user@example.org");

        let salt = message::decode(example.salt).unwrap();
        let keys = ScramKeys::derive(waiting.hash(), &password("pencil"), &salt, ITERATIONS);
        let (server_first, waiting) = waiting.with_keys(keys).unwrap();
        assert_eq!(server_first, example.server_first.as_bytes());

        let authenticated = waiting.finish(example.client_final.as_bytes()).unwrap();
        assert_eq!(authenticated.server_final, example.server_final.as_bytes());
        assert_eq!(authenticated.account.to_string(), "user@example.org");
    }
}

#[test]
fn the_client_speaks_as_the_rfcs_print_it() {
    for example in [RFC_5802, RFC_7677] {
        let bindings = no_bindings();
        let (client_first, waiting) = scram_client::begin(
            example.mechanism,
            "user",
            password("pencil"),
            &Offer::of_server(&bindings, false),
            &bindings,
            example.client_nonce.to_owned(),
        )
        .unwrap();
        assert_eq!(client_first, example.client_first.as_bytes());

        let (client_final, waiting) = waiting.respond(example.server_first.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(client_final).unwrap(), example.client_final);
        assert_eq!(waiting.finish(example.server_final.as_bytes()), Ok(()));
    }
}

/// RFC 4013 §3.
#[test]
fn passwords_are_prepared_as_saslprep_prints_it() {
    for (typed, prepared) in
        [("I\u{ad}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{aa}", "a"), ("\u{2168}", "IX")]
    {
        assert_eq!(Password::prepare(typed).unwrap(), password(prepared));
    }
    use crate::sasl::keys::PasswordError::*;
    assert_eq!(Password::prepare("\u{7}"), Err(Prohibited));
    assert_eq!(Password::prepare("\u{627}\u{31}"), Err(Prohibited));
    assert_eq!(Password::prepare(""), Err(Empty));
    assert_eq!(Password::prepare("\u{ad}"), Err(Empty));
    assert_eq!(Password::prepare(&"x".repeat(1025)), Err(TooLong));
}

/// The challenge printed in XEP-0474 §"Full Example".
#[test]
fn the_offer_hashes_to_what_xep_0474_prints() {
    let offer = Offer {
        mechanisms: vec!["SCRAM-SHA-1-PLUS".to_owned(), "SCRAM-SHA-1".to_owned()],
        channel_bindings: vec!["tls-server-end-point".to_owned(), "tls-exporter".to_owned()],
    };
    assert_eq!(offer.hash(Hash::Sha1), "G6k/rBLDqgOhRRaCuuatSDFkJ08=");
}
