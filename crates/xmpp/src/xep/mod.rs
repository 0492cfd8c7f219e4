//! Payloads of the extensions, one file each, and the table of what is supported.

pub mod caps;
pub mod data_form;
pub mod portable;
pub mod pubsub;
pub mod rsm;
pub mod table;
