//! Scenario scripts: what clients send and must receive, as text files that run against any server.
//! `tests/scenarios/README.md` describes the format for their authors.

mod run;
mod script;
mod target;

pub use run::run;
pub use script::{Action, Script, Step};
pub use target::{OtherServer, Target};
