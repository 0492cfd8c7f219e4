//! Administration of a running server: the API, the command line, the page of an invitation, and the log of it all.

mod api;
mod audit;
mod bounds;
mod command_line;
mod fuzz;
mod operator;
mod page;
mod refused;
