//! `whimbreld`: the XMPP server. `ARCHITECTURE.md` walks a message through these modules.

pub mod accounts;
pub mod backup;
pub mod c2s;
pub mod cli;
pub mod clock;
pub mod component;
pub mod config;
pub mod control;
mod credentials;
pub mod devices;
pub mod ext;
pub mod host;
pub mod http;
pub mod limits;
pub mod log;
pub mod mailbox;
pub mod pep;
pub mod portable;
pub mod presence;
pub mod provisioning;
pub mod roster;
pub mod routing;
pub mod run;
pub mod sessions;
pub mod tls;
