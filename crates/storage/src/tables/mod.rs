//! Every table there is, for whoever moves whole tables: backup, restore, the move to another database, and proof that
//! nothing was lost on the way.
//!
//! The list is compared with the real schema by a test, so that no table is forgotten.

mod columns;
mod copy;
mod filling;
mod keys;
mod list;
mod pages;
mod record;
mod sum;

pub use columns::{Column, Kind, Table};
pub use copy::{clear, first_table_in_use, highest_account, insert, is_copy, keep_accounts_past, master_key, merge};
pub use filling::{begin_filling, end_filling, filled_by};
pub use keys::{ACCOUNT_KEYS, compare_key, join_key, part_key};
pub use list::TABLES;
pub use pages::Pages;
pub use record::Record;
pub use sum::{Sum, Summing, sum};

/// The schema that [`TABLES`] describes: the newest migration of this program.
#[must_use]
pub fn schema_version() -> i64 {
    crate::migrations::newest()
}
