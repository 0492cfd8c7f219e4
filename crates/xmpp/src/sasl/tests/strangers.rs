//! What anybody may send to the server's SCRAM, each with the condition it earns.

use proptest::prelude::*;

use super::*;
use crate::sasl::Condition::{self, *};
use crate::sasl::{Mechanism, payload, scram};

/// The condition for a first message, on a connection with bindings and everything but PLAIN on offer.
fn first(mechanism: Mechanism, message: &[u8]) -> Result<(), Condition> {
    let (domain, bindings) = (domain(), bindings());
    let offer = Offer::of_server(&bindings, false);
    scram::start(mechanism, message, &channel(&domain, &offer, &bindings), [0; 18])
        .map(|_| ())
        .map_err(|failure| failure.condition)
}

#[test]
fn well_formed_first_messages_are_accepted() {
    let romeo_himself = "n,a=romeo@example.org,n=romeo,r=abc";
    for message in ["n,,n=romeo,r=abc", "n,,n=romeo,r=abc,x=extension", romeo_himself] {
        assert_eq!(first(Mechanism::ScramSha256, message.as_bytes()), Ok(()), "{message}");
    }
    for kind in ["tls-exporter", "tls-server-end-point"] {
        let message = format!("p={kind},,n=romeo,r=abc");
        assert_eq!(first(Mechanism::ScramSha1Plus, message.as_bytes()), Ok(()), "{message}");
    }
}

#[test]
fn first_messages_of_broken_syntax_are_malformed() {
    let long_nonce = format!("n,,n=romeo,r={}", "x".repeat(257));
    let long_name = format!("n,,n={},r=abc", "x".repeat(1024));
    let long_message = format!("n,,n=romeo,r=abc,x={}", "x".repeat(8 * 1024));
    for message in [
        "",
        "n",
        "n,,",
        "n,n=romeo,r=abc",
        "n,,n=romeo",
        "n,,r=abc,n=romeo",
        "n,,n=,r=abc",
        "n,,n=romeo,r=",
        "n,,n=romeo,r=a b",
        "n,,n=romeo,r=é",
        "n,,n=romeo,r=abc,",
        "n,,n=romeo,r=abc,xx=1",
        "n,,n=romeo,r=abc,x",
        "n,,n=ro=meo,r=abc",
        "n,,n=ro=2cmeo,r=abc",
        "n,,n=romeo=,r=abc",
        "n,,m=must,n=romeo,r=abc",
        "n,,n=romeo,r=abc,m=must",
        "n,a=,n=romeo,r=abc",
        "n,romeo,n=romeo,r=abc",
        "x,,n=romeo,r=abc",
        "F,n,,n=romeo,r=abc",
        "p=,,n=romeo,r=abc",
        "n,,n=ro\0meo,r=abc",
        &long_nonce,
        &long_name,
        &long_message,
    ] {
        assert_eq!(first(Mechanism::ScramSha256, message.as_bytes()), Err(MalformedRequest), "{message:?}");
    }
    assert_eq!(first(Mechanism::ScramSha256, b"n,,n=rom\xff,r=abc"), Err(MalformedRequest));
}

#[test]
fn flags_that_contradict_the_mechanism_are_refused() {
    use Mechanism::{ScramSha256, ScramSha256Plus};
    for (mechanism, message, condition) in [
        (ScramSha256Plus, "n,,n=romeo,r=abc", MalformedRequest),
        (ScramSha256Plus, "y,,n=romeo,r=abc", MalformedRequest),
        (ScramSha256Plus, "p=tls-unique,,n=romeo,r=abc", MalformedRequest),
        (ScramSha256, "p=tls-exporter,,n=romeo,r=abc", MalformedRequest),
        // The client could have bound, and was made to believe that the server could not.
        (ScramSha256, "y,,n=romeo,r=abc", NotAuthorized),
        (Mechanism::Plain, "n,,n=romeo,r=abc", InvalidMechanism),
    ] {
        assert_eq!(first(mechanism, message.as_bytes()), Err(condition), "{mechanism} {message}");
    }
}

#[test]
fn a_client_capable_of_binding_is_welcome_where_there_is_nothing_to_bind_to() {
    let (domain, bindings) = (domain(), no_bindings());
    let offer = Offer::of_server(&bindings, false);
    let channel = channel(&domain, &offer, &bindings);
    assert!(scram::start(Mechanism::ScramSha256, b"y,,n=romeo,r=abc", &channel, [0; 18]).is_ok());
    let plus = scram::start(Mechanism::ScramSha256Plus, b"p=tls-exporter,,n=romeo,r=abc", &channel, [0; 18]);
    assert_eq!(plus.unwrap_err().condition, InvalidMechanism);
}

#[test]
fn nobody_acts_for_somebody_else() {
    for authzid in ["juliet@example.org", "romeo@example.com", "romeo", "romeo@example.org/balcony", "@"] {
        let message = format!("n,a={authzid},n=romeo,r=abc");
        assert_eq!(first(Mechanism::ScramSha256, message.as_bytes()), Err(InvalidAuthzid), "{authzid}");
    }
}

#[test]
fn a_name_that_is_no_localpart_belongs_to_nobody() {
    assert_eq!(first(Mechanism::ScramSha256, b"n,,n=ro@meo,r=abc"), Err(NotAuthorized));
}

/// The condition for a final message in an exchange whose nonce is `abc` and 24 times `A`.
fn last(message: &[u8]) -> Result<(), Condition> {
    let (domain, bindings) = (domain(), bindings());
    let offer = Offer::of_server(&bindings, false);
    let channel = channel(&domain, &offer, &bindings);
    let waiting = scram::start(Mechanism::ScramSha256, b"n,,n=romeo,r=abc", &channel, [0; 18]).unwrap();
    let (_, waiting) = waiting.with_keys(keys(Hash::Sha256, "s3cret")).unwrap();
    waiting.finish(message).map(|_| ()).map_err(|failure| failure.condition)
}

#[test]
fn final_messages_earn_their_condition() {
    let proof = message_of(&[1; 32]);
    let nonce = format!("abc{}", "A".repeat(24));
    for (message, condition) in [
        (String::new(), MalformedRequest),
        (format!("c=biws,r={nonce}"), MalformedRequest),
        (format!("r={nonce},c=biws,p={proof}"), MalformedRequest),
        (format!("c=biws,p={proof},r={nonce}"), MalformedRequest),
        (format!("c=?,r={nonce},p={proof}"), MalformedRequest),
        (format!("c=biws,r={nonce},p=?"), MalformedRequest),
        (format!("c=biws,r={nonce},m=must,p={proof}"), MalformedRequest),
        // Another header than the first message had: y instead of n.
        (format!("c=eSws,r={nonce},p={proof}"), NotAuthorized),
        (format!("c=biws,r=abc,p={proof}"), NotAuthorized),
        (format!("c=biws,r={nonce}x,p={proof}"), NotAuthorized),
        (format!("c=biws,r={nonce},p=AAAA"), NotAuthorized),
        (format!("c=biws,r={nonce},p={proof}"), NotAuthorized),
        (format!("c=biws,r={nonce},x=extension,p={proof}"), NotAuthorized),
    ] {
        assert_eq!(last(message.as_bytes()), Err(condition), "{message}");
    }
}

fn message_of(bytes: &[u8]) -> String {
    payload::encode(bytes)
}

#[test]
fn keys_of_another_hash_are_the_servers_own_mistake() {
    let (domain, bindings) = (domain(), no_bindings());
    let offer = Offer::of_server(&bindings, false);
    let channel = channel(&domain, &offer, &bindings);
    let waiting = scram::start(Mechanism::ScramSha256, b"n,,n=romeo,r=abc", &channel, [0; 18]).unwrap();
    let failure = waiting.with_keys(keys(Hash::Sha1, "s3cret")).unwrap_err();
    assert_eq!(failure.condition, TemporaryAuthFailure);
}

#[test]
fn payloads_are_base64_or_an_equals_sign() {
    assert_eq!(payload::decode("="), Ok(Vec::new()));
    assert_eq!(payload::decode(""), Ok(Vec::new()));
    assert_eq!(payload::decode("biws"), Ok(b"n,,".to_vec()));
    assert_eq!(payload::encode(b""), "=");
    for broken in ["bi ws", "biw", "b===", "biws\n", "é"] {
        assert_eq!(payload::decode(broken).unwrap_err().condition, IncorrectEncoding, "{broken:?}");
    }
    let largest = payload::encode(&[0; 8 * 1024]);
    assert!(payload::decode(&largest).is_ok());
    let too_large = payload::encode(&[0; 8 * 1024 + 1]);
    assert_eq!(payload::decode(&too_large).unwrap_err().condition, MalformedRequest);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_let_anybody_in(message in "[a-z]?[,=a-z0-9+/A-Z\u{0}é]{0,60}") {
        let _ = first(Mechanism::ScramSha256, message.as_bytes());
        let _ = first(Mechanism::ScramSha1Plus, message.as_bytes());
    }
}
