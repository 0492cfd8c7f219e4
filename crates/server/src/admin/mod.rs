//! Administration: what operators do, each operation once. The API (`http/admin`), the command line (`cli`) and ad-hoc
//! commands (`ext/adhoc`, XEP-0133 and XEP-0401) all call what is here, and every change leaves an entry in the audit
//! log. How accounts change is `provisioning`.

pub mod accounts;
mod actor;
pub mod announcements;
mod audit;
mod error;
pub mod invites;
pub mod links;
pub mod scope;
pub mod sessions;
pub mod statistics;
pub mod tokens;
pub mod uploads;

pub use actor::Actor;
pub use audit::{Action, Audit, Change, recorded};
pub use error::Error;
