//! What ratchets and key exchanges look like on the wire: a small bounded protobuf parser, and the messages made of
//! it (XEP-0384 "Protobuf Schema"; the older namespace has the same fields under other numbers).

mod key_exchange;
mod message;
mod protobuf;

pub use key_exchange::KeyExchange;
pub use message::{Header, Message};

pub(crate) use message::write_message;
