//! Accounts on their way in and out: files of XEP-0227 that other servers write and read too, and the ZIP that a
//! person gets who asks for their data. `docs/moving.md` is for operators.
//!
//! Runs in the command line beside a server or without one: files are read and written without being waited for
//! elsewhere, and the database is the only thing shared.

mod account;
mod entry;
mod export;
mod import;
mod messages;
mod source;
mod zip;
mod zip_media;

pub use export::{ExportError, Exported, Exporter};
pub use import::{Import, ImportError, Imported, News, Refusal};
pub use source::BadFile;
pub use zip::write as write_zip;
