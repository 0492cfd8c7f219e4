//! Whether two tables hold the same rows, in few bytes.

use aws_lc_rs::digest;

use super::{Pages, Record, columns::Table};
use crate::{Error, Snapshot};

/// How many rows a table has, and a hash over them in the order of their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub rows: u64,
    /// SHA-256 over each [`Record`]'s bytes.
    pub sha256: [u8; 32],
}

/// A [`Sum`] that grows row by row.
pub struct Summing {
    rows: u64,
    hash: digest::Context,
    bytes: Vec<u8>,
}

impl Default for Summing {
    fn default() -> Self {
        Self { rows: 0, hash: digest::Context::new(&digest::SHA256), bytes: Vec::new() }
    }
}

impl Summing {
    /// Adds the row that comes next by its key.
    pub fn add(&mut self, record: &Record) {
        self.bytes.clear();
        record.encode(&mut self.bytes);
        self.hash.update(&self.bytes);
        self.rows = self.rows.saturating_add(1);
    }

    /// The sum.
    #[must_use]
    pub fn finish(self) -> Sum {
        let mut sha256 = [0; 32];
        let hash = self.hash.finish();
        sha256.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Sum { rows: self.rows, sha256 }
    }
}

/// The sum of a table.
///
/// # Errors
/// When it cannot be read.
pub async fn sum(snapshot: &Snapshot, table: &'static Table) -> Result<Sum, Error> {
    let mut pages = Pages::of(table);
    let mut summing = Summing::default();
    loop {
        let page = pages.next(snapshot).await?;
        if page.is_empty() {
            return Ok(summing.finish());
        }
        page.iter().for_each(|record| summing.add(record));
    }
}
