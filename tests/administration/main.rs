//! Administration of a running server: the API, the command line, the page of an invitation, and the log of it all.
#![allow(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, reason = "tests")]

mod api;
mod audit;
mod bounds;
mod command_line;
mod fuzz;
mod operator;
mod page;
mod refused;
mod uploads;
