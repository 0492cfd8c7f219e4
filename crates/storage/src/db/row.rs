//! What comes back from a database.

use bytes::Bytes;

use super::{Error, Value};

/// A row, read from its first column to its last: each call takes the next one.
///
/// A value of another type than asked for is [`Error::Corrupt`].
#[derive(Debug)]
pub struct Row {
    columns: std::vec::IntoIter<Value>,
}

impl Row {
    pub(super) fn new(columns: Vec<Value>) -> Self {
        Self { columns: columns.into_iter() }
    }

    /// The columns that were not read yet.
    pub(crate) fn into_values(self) -> impl Iterator<Item = Value> {
        self.columns
    }

    /// The next column, an integer.
    pub fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?.ok_or_else(|| unexpected("int", "null"))
    }

    /// The next column, an integer or null.
    pub fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        match self.next()? {
            Value::Int(number) => Ok(Some(number)),
            Value::Null => Ok(None),
            other => Err(unexpected("int", other.kind())),
        }
    }

    /// The next column, an integer that is true unless it is 0.
    pub fn bool(&mut self) -> Result<bool, Error> {
        Ok(self.int()? != 0)
    }

    /// The next column, an integer that counts something.
    pub fn count(&mut self) -> Result<u64, Error> {
        u64::try_from(self.int()?).map_err(|_| unexpected("count", "negative int"))
    }

    /// The next column, text.
    pub fn text(&mut self) -> Result<String, Error> {
        self.opt_text()?.ok_or_else(|| unexpected("text", "null"))
    }

    /// The next column, text or null.
    pub fn opt_text(&mut self) -> Result<Option<String>, Error> {
        match self.next()? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(unexpected("text", other.kind())),
        }
    }

    /// The next column, bytes.
    pub fn blob(&mut self) -> Result<Bytes, Error> {
        self.opt_blob()?.ok_or_else(|| unexpected("blob", "null"))
    }

    /// The next column, bytes or null.
    pub fn opt_blob(&mut self) -> Result<Option<Bytes>, Error> {
        match self.next()? {
            Value::Blob(bytes) => Ok(Some(bytes)),
            Value::Null => Ok(None),
            other => Err(unexpected("blob", other.kind())),
        }
    }

    fn next(&mut self) -> Result<Value, Error> {
        self.columns.next().ok_or_else(|| Error::Statement("a row has fewer columns than were read".into()))
    }
}

fn unexpected(expected: &str, found: &str) -> Error {
    Error::Corrupt(format!("expected {expected}, found {found}"))
}

/// What one statement of a batch did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows inserted, changed or removed; 0 for a `SELECT`.
    pub rows_affected: u64,
    /// Rows of a `SELECT` or of `RETURNING`.
    pub rows: Vec<Row>,
}

impl Outcome {
    /// The first row.
    pub fn into_row(self) -> Option<Row> {
        self.rows.into_iter().next()
    }
}
