//! SASL for XMPP: the mechanisms, and both ends of SCRAM.
//!
//! Sources: RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM), RFC 5929 and RFC 9266 (channel bindings),
//! RFC 6120 §6 (the XMPP profile), XEP-0440 (binding types on offer), XEP-0474 (downgrade protection),
//! draft-schmaus-kitten-sasl-ht (tokens), XEP-0388 (what a client says of itself).
//!
//! Every machine here takes the peer's message and returns the next one. Nonces and salts are arguments;
//! looking up an account's keys happens between two steps, in the caller.

pub mod channel_binding;
pub mod downgrade;
pub mod failure;
pub mod hash;
pub mod hashed_token;
mod identity;
pub mod keys;
pub mod limits;
pub mod mechanism;
mod message;
pub mod payload;
pub mod plain;
pub mod scram;
pub mod scram_client;
mod user_agent;

pub use channel_binding::{ChannelBindingType, ChannelBindings};
pub use downgrade::Offer;
pub use failure::{Condition, Failure};
pub use hash::Hash;
pub use hashed_token::TokenMechanism;
pub use keys::{Password, ScramKeys};
pub use mechanism::Mechanism;
pub use user_agent::{UserAgent, UserAgentId};

#[cfg(test)]
mod tests;
