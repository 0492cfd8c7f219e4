//! The clients that make the load: an account, a connection, a session.

mod account;
mod login;
mod scram;
mod tls;
mod wire;

pub use account::{Account, Alike, DOMAIN, numbered, register};
pub use login::{Login, Session};
pub use wire::{Target, Wire};
