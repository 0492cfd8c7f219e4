//! `manifest`: what a backup holds. Sealed as the rows are.

use serde::{Deserialize, Serialize};
use storage::tables::Sum;

/// What a backup holds, and what restoring it must arrive at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program that made it.
    pub made_by: String,
    /// Whose it is.
    pub domain: String,
    /// The moment it shows, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The schema of its tables.
    pub schema: i64,
    /// The fingerprint of the master key that opens what its rows hold.
    pub master_key: String,
    /// The greatest id that an account ever had.
    pub highest_account: i64,
    /// Its tables, in their order.
    pub tables: Vec<TableSum>,
    /// How many media belong to it.
    pub media: u64,
    /// Bytes of its rows, sealed.
    pub bytes: u64,
}

/// How many rows a table has, and their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over them, in hexadecimal digits.
    pub sha256: String,
}

impl TableSum {
    pub(crate) fn new(table: &str, sum: &Sum) -> Self {
        let sha256 = sum.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { table: table.to_owned(), rows: sum.rows, sha256 }
    }
}

impl Manifest {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().fold(0, |rows, table| rows.saturating_add(table.rows))
    }
}
