//! Values as MySQL and MariaDB send and take them. Bytes and text come alike; the column's character set tells which.

use bytes::Bytes;
use mysql_async::{
    Column, Value as Wire,
    consts::{ColumnFlags, ColumnType},
};

use crate::db::{Error, Value};

/// The character set of bytes that are no text.
const BINARY: u16 = 63;

pub(super) fn to_wire(value: &Value) -> Wire {
    match value {
        Value::Null => Wire::NULL,
        Value::Int(number) => Wire::Int(*number),
        Value::Text(text) => Wire::Bytes(text.clone().into_bytes()),
        Value::Blob(bytes) => Wire::Bytes(bytes.to_vec()),
    }
}

pub(super) fn from_wire(value: Wire, column: &Column) -> Result<Value, Error> {
    let too_big = || Error::Statement("a number beyond 63 bits was selected".into());
    Ok(match value {
        Wire::NULL => Value::Null,
        Wire::Int(number) => Value::Int(number),
        Wire::UInt(number) => Value::Int(i64::try_from(number).map_err(|_| too_big())?),
        Wire::Bytes(bytes) if is_number(column) => Value::Int(number(&bytes).ok_or_else(too_big)?),
        Wire::Bytes(bytes) if is_text(column) => {
            Value::Text(String::from_utf8(bytes).map_err(|_| Error::Corrupt("text is not UTF-8".into()))?)
        }
        Wire::Bytes(bytes) => Value::Blob(Bytes::from(bytes)),
        _ => return Err(Error::Statement("neither a number, nor text, nor bytes was selected".into())),
    })
}

/// Sums come as decimals, everything as text where a statement was not prepared.
fn is_number(column: &Column) -> bool {
    matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_NEWDECIMAL
            | ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_LONGLONG
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_INT24
    )
}

fn is_text(column: &Column) -> bool {
    column.character_set() != BINARY && !column.flags().contains(ColumnFlags::NUM_FLAG)
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
