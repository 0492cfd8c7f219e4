//! Test only: real servers for tests, each in a temporary folder and on a free port of loopback, started once a test
//! process and gone when it is, however it ends.
//!
//! The programs are those of Debian's packages, Garage is cargo's. One that is missing is an error that says how to install it; no test
//! is skipped.

mod certificate;
mod database;
mod folder;
mod garage;
mod keeper;
mod mariadb;
mod port;
mod postgres;
mod program;

pub use database::{Database, DatabaseServer, Kind};
pub use garage::Garage;
pub use port::free_port;
