//! Both ends of SASL against the RFCs' examples, against each other, and against strangers.

mod agreement;
mod examples;
mod offers;
mod plain_login;
mod strangers;

use std::num::NonZeroU32;

use jid::{DomainPart, DomainRef};

use super::keys::{Password, ScramKeys};
use super::{ChannelBindings, Hash, Offer};

const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

fn domain() -> DomainPart {
    DomainPart::new("example.org").unwrap().into_owned()
}

fn channel<'a>(domain: &'a DomainRef, offer: &'a Offer, bindings: &'a ChannelBindings) -> super::scram::Channel<'a> {
    super::scram::Channel { domain, offer, bindings }
}

fn no_bindings() -> ChannelBindings {
    ChannelBindings::default()
}

fn bindings() -> ChannelBindings {
    ChannelBindings { tls_exporter: Some([7; 32]), tls_server_end_point: Some(vec![9; 32]) }
}

fn password(text: &str) -> Password {
    Password::prepare(text).unwrap()
}

fn keys(hash: Hash, text: &str) -> ScramKeys {
    ScramKeys::derive(hash, &password(text), b"0123456789abcdef", ITERATIONS)
}
