//! What tests need: a real `whimbreld` in a child process, an independent XMPP client that is none
//! of the project's own code, and the runner of scenario scripts (`tests/scenarios/README.md`).
//!
//! The client parses with rxml and has its own SCRAM, so that a mistake in the `xmpp` crate cannot
//! hide by being made on both ends.

mod client;
mod component;
mod database;
pub mod faults;
mod folder;
mod friends;
mod login;
mod pattern;
pub mod peers;
mod people;
pub mod raw;
mod ready;
pub mod sasl2;
pub mod scenario;
mod scram;
mod server;
mod sm;
mod tls;
mod whimbreld;
mod wire;

pub use client::{Client, Login, Security};
pub use component::{ACCEPT, Component};
pub use database::{Backend, VARIABLE as DATABASE_VARIABLE, run_again_on};
pub use folder::{Folder, whimbreld, whimbreld_with};
pub use pattern::{Captures, matches, parse_fragment, show};
pub use reqwest;
pub use sasl2::{Device, FastToken, Succeeded};
pub use server::{TestServer, TestServerBuilder};
pub use sm::Suspended;
pub use tls::http_client;
pub use whimbreld::{Finished, binary, workspace};

use std::time::Duration;

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(10);
