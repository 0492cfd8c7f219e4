//! Server state: one file per aggregate over one narrow SQL layer.
//!
//! [`Db`] runs SQL and nothing else; an aggregate is a file of statements and
//! free functions that take `&Db`. What differs between databases is listed in
//! [`dialect`], what has a bound in [`limits`]. What is private is sealed before it
//! goes down there (`seal`).

pub mod accounts;
pub mod api_tokens;
pub mod archive;
pub mod archive_prefs;
pub mod audit;
pub mod blocklist;
mod db;
pub mod devices;
pub mod dialect;
mod histogram;
mod ids;
pub mod invites;
pub mod limits;
pub mod migrations;
pub mod owned;
pub mod private_xml;
pub mod pubsub;
pub mod roster;
mod seal;
mod stanza_error;
pub mod tables;
mod text_list;
pub mod undelivered;
pub mod uploads;
pub mod vcards;

pub use accounts::AccountId;
pub use db::{
    Db, Error, InlineOptions, Options, Outcome, Password, Queued, Row, Snapshot, Statement, Stats, StatsSnapshot,
    Value, Waiting, without_password,
};
pub use devices::DeviceId;
pub use histogram::{Histogram, Observed};
pub use ids::{ArchiveId, IdSource, ParseArchiveIdError};
pub use invites::InviteId;
pub use seal::{Fingerprint, MasterKeyRefused, MasterKeys, Reread, Rotated, rotate};
