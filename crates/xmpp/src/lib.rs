//! XMPP on the wire: XML, JIDs, stanzas, errors, SASL, and the payloads of the extensions Whimbrel speaks.
//!
//! Pure: no I/O, no clock, no randomness of its own. Builds for native targets and wasm32.

pub mod address;
pub mod build;
pub mod error;
pub mod ns;
pub mod sasl;
pub mod stanza;
pub mod xep;
pub mod xml;

pub use jid;
pub use minidom;
