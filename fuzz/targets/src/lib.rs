//! What must hold for every input, one function for each parser of bytes from strangers.
//!
//! Each takes any bytes and panics when something does not hold. libFuzzer finds inputs (`../fuzz_targets`); where it
//! cannot be built, the test `mutations` does.

pub mod config;
pub mod jid;
mod omemo_devices;
pub mod omemo_key_exchange;
pub mod omemo_message;
pub mod omemo_session_state;
pub mod payload;
pub mod sasl_client;
pub mod sasl_server;
pub mod stanza;
pub mod stream;
pub mod websocket;
mod words;
pub mod xml_scanner;
mod xmpp_tests;

/// A target: what it checks about one input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its binary and of its folder in `corpus`.
pub const ALL: [(&str, Target); 12] = [
    ("config", config::run),
    ("jid", jid::run),
    ("omemo_key_exchange", omemo_key_exchange::run),
    ("omemo_message", omemo_message::run),
    ("omemo_session_state", omemo_session_state::run),
    ("payload", payload::run),
    ("sasl_client", sasl_client::run),
    ("sasl_server", sasl_server::run),
    ("stanza", stanza::run),
    ("stream", stream::run),
    ("websocket", websocket::run),
    ("xml_scanner", xml_scanner::run),
];
