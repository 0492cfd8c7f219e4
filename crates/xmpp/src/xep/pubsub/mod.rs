//! XEP-0060 publish-subscribe: what is asked of a service, how a node is configured, and the errors of its own.

mod config;
mod error;
mod request;

pub use config::{AccessModel, Config, Fault, MaxItems, Notify, SendLast};
pub use error::{error, unsupported};
pub use request::{Affiliation, Items, Publication, Request};
