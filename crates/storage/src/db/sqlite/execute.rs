//! One statement on one connection.

use bytes::Bytes;
use rusqlite::{
    Connection, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use crate::db::{Error, Outcome, Row, Statement, Value};

pub(crate) fn execute(connection: &Connection, statement: &Statement) -> Result<Outcome, Error> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    if prepared.parameter_count() != statement.params.len() {
        return Err(Error::Statement(format!("wrong number of parameters for: {}", statement.sql)));
    }
    for (position, value) in statement.params.iter().enumerate() {
        prepared.raw_bind_parameter(position.saturating_add(1), value)?;
    }
    let columns = prepared.column_count();
    if columns == 0 {
        let rows_affected = u64::try_from(prepared.raw_execute()?).unwrap_or(u64::MAX);
        return Ok(Outcome { rows_affected, rows: Vec::new() });
    }
    let reads_only = prepared.readonly();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next()? {
        let values = (0..columns).map(|column| owned(row.get_ref(column)?)).collect::<Result<_, Error>>()?;
        rows.push(Row::new(values));
    }
    drop(cursor);
    let rows_affected = if reads_only { 0 } else { connection.changes() };
    Ok(Outcome { rows_affected, rows })
}

/// Each row of a query without parameters, one at a time; `visit` may write to other tables.
pub(crate) fn for_each(
    connection: &Connection,
    sql: &'static str,
    mut visit: impl FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut prepared = connection.prepare(sql)?;
    let columns = prepared.column_count();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next()? {
        let values = (0..columns).map(|column| owned(row.get_ref(column)?)).collect::<Result<_, Error>>()?;
        visit(Row::new(values))?;
    }
    Ok(())
}

/// A statement without parameters or rows, kept prepared.
pub(super) fn command(connection: &Connection, sql: &'static str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}

fn owned(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => {
            Value::Text(String::from_utf8(text.to_vec()).map_err(|_| Error::Corrupt("text is not UTF-8".into()))?)
        }
        ValueRef::Blob(bytes) => Value::Blob(Bytes::copy_from_slice(bytes)),
        ValueRef::Real(_) => return Err(Error::Statement("a real number was selected".into())),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
