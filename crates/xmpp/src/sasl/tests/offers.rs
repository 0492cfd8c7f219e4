//! What a server offers, and what a client picks from it.

use super::*;
use crate::sasl::Mechanism;
use crate::sasl::scram_client::{ClientError, choose};

fn offer(mechanisms: &[&str], channel_bindings: &[&str]) -> Offer {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Offer { mechanisms: owned(mechanisms), channel_bindings: owned(channel_bindings) }
}

#[test]
fn the_offer_follows_the_connection() {
    let plus_and_plain = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"];
    assert_eq!(Offer::of_server(&bindings(), true), offer(&plus_and_plain, &["tls-exporter", "tls-server-end-point"]));
    assert_eq!(Offer::of_server(&no_bindings(), false), offer(&["SCRAM-SHA-256", "SCRAM-SHA-1"], &[]));
}

#[test]
fn only_what_is_on_offer_can_be_picked() {
    let offer = Offer::of_server(&no_bindings(), false);
    assert_eq!(offer.pick("SCRAM-SHA-256"), Ok(Mechanism::ScramSha256));
    for name in ["PLAIN", "SCRAM-SHA-256-PLUS", "scram-sha-256", "EXTERNAL", ""] {
        assert_eq!(offer.pick(name).unwrap_err().condition.name(), "invalid-mechanism", "{name}");
    }
}

#[test]
fn a_client_takes_the_best_it_can() {
    let whole = Offer::of_server(&bindings(), true);
    assert_eq!(choose(&whole, &bindings(), false), Ok(Mechanism::ScramSha256Plus));
    assert_eq!(choose(&whole, &no_bindings(), false), Ok(Mechanism::ScramSha256));
    let plain_only = offer(&["PLAIN"], &[]);
    assert_eq!(choose(&plain_only, &bindings(), true), Ok(Mechanism::Plain));
    assert_eq!(choose(&plain_only, &bindings(), false), Err(ClientError::NoMechanism));
    let foreign = offer(&["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"], &["tls-unique"]);
    assert_eq!(choose(&foreign, &bindings(), false), Ok(Mechanism::ScramSha1));
}

#[test]
fn a_client_capable_of_binding_distrusts_half_an_offer() {
    for half in [offer(&["SCRAM-SHA-1-PLUS"], &[]), offer(&["SCRAM-SHA-1"], &["tls-exporter"])] {
        assert_eq!(choose(&half, &bindings(), false), Err(ClientError::ListsContradict));
    }
}
