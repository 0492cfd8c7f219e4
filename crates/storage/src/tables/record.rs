//! A row as bytes, the same from every database: for each column its kind and its value, whose length stands before it.

use bytes::{Buf, BufMut, Bytes};

use super::columns::{Column, Kind, Table};
use crate::{Error, Row, Value, limits};

const NULL: u8 = 0;
const INT: u8 = 1;
const TEXT: u8 = 2;
const BLOB: u8 = 3;

/// A whole row; its values fit the columns of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(Vec<Value>);

impl Record {
    /// What a page statement selected.
    pub(super) fn read(table: &Table, row: Row) -> Result<Self, Error> {
        Self::fitting(table, row.into_values().collect())
    }

    pub(super) fn fitting(table: &Table, values: Vec<Value>) -> Result<Self, Error> {
        let fits = values.len() == table.columns.len()
            && values.iter().zip(table.columns).all(|(value, column)| fits(value, column));
        if fits { Ok(Self(values)) } else { Err(Error::Corrupt(format!("a row of {} has other columns", table.name))) }
    }

    /// The values of the key.
    pub(super) fn key(&self, table: &Table) -> &[Value] {
        self.0.get(..table.key_columns).unwrap_or(&self.0)
    }

    /// The value of a column; `None` if there is none of that name.
    pub(super) fn value(&self, table: &Table, column: &str) -> Option<&Value> {
        let mut named = self.0.iter().zip(table.columns);
        named.find(|(_, described)| described.name == column).map(|(value, _)| value)
    }

    /// Replaces the value of a column that there is.
    pub(super) fn set(&mut self, table: &Table, column: &str, value: Value) {
        let named = self.0.iter_mut().zip(table.columns).find(|(_, described)| described.name == column);
        named.into_iter().for_each(|(place, _)| *place = value.clone());
    }

    pub(super) fn into_values(self) -> Vec<Value> {
        self.0
    }

    /// Appends the row's bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        for value in &self.0 {
            match value {
                Value::Null => bytes.put_u8(NULL),
                Value::Int(number) => {
                    bytes.put_u8(INT);
                    bytes.put_i64(*number);
                }
                Value::Text(text) => put(bytes, TEXT, text.as_bytes()),
                Value::Blob(blob) => put(bytes, BLOB, blob),
            }
        }
    }

    /// Takes one row of `table` from the front.
    ///
    /// # Errors
    /// When the bytes are no such row.
    pub fn decode(table: &Table, bytes: &mut Bytes) -> Result<Self, Error> {
        let values = table.columns.iter().map(|_| take(bytes).ok_or_else(|| torn(table)));
        Self::fitting(table, values.collect::<Result<_, _>>()?)
    }
}

fn torn(table: &Table) -> Error {
    Error::Corrupt(format!("the bytes are no row of {}", table.name))
}

fn fits(value: &Value, column: &Column) -> bool {
    match value {
        Value::Null => column.nullable,
        Value::Int(_) => column.kind == Kind::Int,
        Value::Text(_) => column.kind == Kind::Text,
        Value::Blob(_) => column.kind == Kind::Blob,
    }
}

fn put(bytes: &mut Vec<u8>, kind: u8, content: &[u8]) {
    bytes.put_u8(kind);
    // No database returns a value of 4 GiB.
    bytes.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    bytes.put_slice(content);
}

fn take(bytes: &mut Bytes) -> Option<Value> {
    match bytes.try_get_u8().ok()? {
        NULL => Some(Value::Null),
        INT => bytes.try_get_i64().ok().map(Value::Int),
        TEXT => String::from_utf8(content(bytes)?.into()).ok().map(Value::Text),
        BLOB => content(bytes).map(Value::Blob),
        _ => None,
    }
}

fn content(bytes: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    (len <= bytes.len() && len <= limits::COPY_ROW_BYTES_MAX).then(|| bytes.split_to(len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tables::TABLES;

    fn value(column: &Column) -> BoxedStrategy<Value> {
        let some = match column.kind {
            Kind::Int => any::<i64>().prop_map(Value::Int).boxed(),
            Kind::Text => ".{0,20}".prop_map(Value::Text).boxed(),
            Kind::Blob => prop::collection::vec(any::<u8>(), 0..20).prop_map(|blob| Value::Blob(blob.into())).boxed(),
        };
        if column.nullable { prop_oneof![Just(Value::Null), some].boxed() } else { some }
    }

    fn record() -> impl Strategy<Value = (&'static Table, Record)> {
        (0..TABLES.len()).prop_flat_map(|at| {
            let values: Vec<_> = TABLES[at].columns.iter().map(value).collect();
            values.prop_map(move |values| (&TABLES[at], Record(values)))
        })
    }

    proptest! {
        #[test]
        fn a_row_survives_its_bytes((table, record) in record()) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            record.encode(&mut bytes);
            let mut bytes = Bytes::from(bytes);
            prop_assert_eq!(Record::decode(table, &mut bytes).unwrap(), record.clone());
            prop_assert_eq!(Record::decode(table, &mut bytes).unwrap(), record);
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn torn_or_foreign_bytes_are_refused_or_another_row(
            (table, record) in record(), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            let cut = cut.index(bytes.len());
            prop_assert!(Record::decode(table, &mut Bytes::copy_from_slice(&bytes[..cut])).is_err());
            let flip = flip.index(bytes.len());
            bytes[flip] ^= 0xff;
            if let Ok(other) = Record::decode(table, &mut Bytes::from(bytes)) {
                prop_assert_ne!(other, record);
            }
        }
    }
}
