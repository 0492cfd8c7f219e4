//! Reading a whole table in the order of its key, page by page: each page begins after the row the last one ended with.

use super::{Record, columns::Table};
use crate::{Error, Snapshot, Statement, Value, limits};

/// Where a reading of a table has come to.
#[derive(Debug)]
pub struct Pages {
    table: &'static Table,
    /// The key of the last row, cut to the columns that the next statement compares; `None` at the end.
    after: Option<Vec<Value>>,
}

impl Pages {
    /// From the first row.
    #[must_use]
    pub fn of(table: &'static Table) -> Self {
        Self { table, after: Some(Vec::new()) }
    }

    /// The next rows, at most [`COPY_PAGE_ROWS`](limits::COPY_PAGE_ROWS); none at the end.
    ///
    /// # Errors
    /// When the database cannot be read, or a row does not fit its table.
    pub async fn next(&mut self, snapshot: &Snapshot) -> Result<Vec<Record>, Error> {
        let rows_max = usize::try_from(limits::COPY_PAGE_ROWS).unwrap_or(usize::MAX);
        let mut page = Vec::new();
        while page.len() < rows_max {
            let Some(after) = self.after.take() else { break };
            let level = after.len();
            let Some(sql) = self.table.statements().pages.get(level) else { break };
            let wanted = rows_max.saturating_sub(page.len());
            let mut params = after.clone();
            params.push(Value::Int(i64::try_from(wanted).unwrap_or(i64::MAX)));
            let rows = snapshot.query(Statement::new(sql, params)).await?;
            let is_full = rows.len() >= wanted;
            for row in rows {
                page.push(Record::read(self.table, row)?);
            }
            self.after = match page.last() {
                Some(last) if is_full => Some(last.key(self.table).to_vec()),
                // Nothing more with the same front part of the key: on to what is greater in it.
                _ if level > 1 => after.get(..level.saturating_sub(1)).map(<[Value]>::to_vec),
                _ => None,
            };
        }
        Ok(page)
    }
}
