//! Client connections: accepting, negotiating, and then reading and writing for a session until one of them ends.

pub mod admission;
mod auth;
mod bind;
mod connection;
mod establish;
mod features;
pub mod framed;
pub mod guessing;
pub mod listener;
mod negotiation;
mod reader;
mod resume;
mod sasl2;
mod stream_header;
pub mod wire;
mod writer;

use aws_lc_rs::rand;

/// 128 random bits.
pub fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    // The operating system's generator does not fail once it is seeded; if it ever did, the id would repeat,
    // which ends in an error for the client and in nothing worse.
    let _ = rand::fill(&mut bytes);
    bytes
}

/// A fresh unguessable id for a stream, a resource or a stanza.
pub fn random_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random_bytes()))
}
