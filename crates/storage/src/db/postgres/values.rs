//! Values as PostgreSQL sends and takes them, in its binary format. The type of each parameter is what the server
//! inferred from the statement.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::Value;

type Anything = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Anything> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(number) => match *ty {
                Type::INT8 => out.put_i64(*number),
                Type::INT4 => out.put_i32(i32::try_from(*number)?),
                Type::INT2 => out.put_i16(i16::try_from(*number)?),
                _ => return Err(mismatch(self, ty)),
            },
            Self::Text(text) => match *ty {
                Type::TEXT | Type::VARCHAR | Type::NAME => out.put_slice(text.as_bytes()),
                _ => return Err(mismatch(self, ty)),
            },
            Self::Blob(bytes) => match *ty {
                Type::BYTEA => out.put_slice(bytes),
                _ => return Err(mismatch(self, ty)),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Anything> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Self::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => Self::Int(i16::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Self::Int(raw.first().is_some_and(|byte| *byte != 0).into()),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => Self::Text(std::str::from_utf8(raw)?.to_owned()),
            Type::NUMERIC => Self::Int(whole_number(raw).ok_or("a number beyond 63 bits was selected")?),
            Type::BYTEA => Self::Blob(Bytes::copy_from_slice(raw)),
            _ => return Err(format!("a value of type {ty} was selected").into()),
        })
    }

    fn from_sql_null(_ty: &Type) -> Result<Self, Anything> {
        Ok(Self::Null)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }
}

/// A sum of integers: digits to base 10,000, the first of which counts `10,000^weight`.
fn whole_number(raw: &[u8]) -> Option<i64> {
    let mut words = raw.chunks_exact(2).filter_map(|word| Some(i16::from_be_bytes(word.try_into().ok()?)));
    let (digits, weight, sign, _scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut number: i64 = 0;
    for place in 0..=weight {
        // Zeros at the end are not sent.
        let digit = if place < digits { words.next()? } else { 0 };
        number = number.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    Some(if sign == 0 { number } else { number.checked_neg()? })
}

fn mismatch(value: &Value, ty: &Type) -> Anything {
    format!("a parameter of type {ty} was given {}", value.kind()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_whole_numbers() {
        let encode = |words: &[i16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        assert_eq!(whole_number(&encode(&[0, 0, 0, 0])), Some(0));
        assert_eq!(whole_number(&encode(&[1, 0, 0x4000, 0, 7])), Some(-7));
        assert_eq!(whole_number(&encode(&[1, 1, 0, 0, 3])), Some(30_000));
        assert_eq!(whole_number(&encode(&[2, 1, 0, 0, 3, 21])), Some(30_021));
        assert_eq!(whole_number(&encode(&[1, 9, 0, 0, 1])), None);
        assert_eq!(whole_number(&[1, 2, 3]), None);
    }
}
