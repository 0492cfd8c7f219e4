//! Moving in and out: accounts exported and imported (XEP-0227), from other servers too; a person's data as a ZIP;
//! what a deletion reports.

mod another_server;
mod ejabberd;
mod hostile;
mod personal;
mod prosody;
mod view;
