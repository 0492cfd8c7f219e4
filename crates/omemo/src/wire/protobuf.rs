//! The part of protobuf that OMEMO needs: fields of numbers and of bytes, others skipped. Groups are refused, and so
//! are numbers beyond 32 bits, which no field of OMEMO has.
//!
//! Source: the public description of the protobuf wire format ("Encoding").

use crate::error::Error;
use crate::limits::PROTOBUF_FIELDS_MAX;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u32),
    Bytes(&'a [u8]),
    /// A fixed-size number, which no field of OMEMO is.
    Fixed,
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Result<u32, Error> {
        if let Self::Number(number) = self { Ok(number) } else { Err(MALFORMED) }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Error> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(MALFORMED) }
    }
}

const MALFORMED: Error = Error::Malformed("protobuf");

/// Calls `each` for every field, in order: of a field that comes twice, the last one counts.
pub(super) fn read<'a>(
    mut rest: &'a [u8],
    mut each: impl FnMut(u32, Value<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    for _ in 0..PROTOBUF_FIELDS_MAX {
        if rest.is_empty() {
            return Ok(());
        }
        let key = varint(&mut rest)?;
        let field = u32::try_from(key >> 3).map_err(|_| MALFORMED)?;
        let value = match key & 7 {
            0 => match u32::try_from(varint(&mut rest)?) {
                Ok(number) => Value::Number(number),
                Err(_) => return Err(MALFORMED),
            },
            1 => take(&mut rest, 8).map(|_| Value::Fixed)?,
            2 => {
                let len = varint(&mut rest)?;
                Value::Bytes(take(&mut rest, usize::try_from(len).map_err(|_| MALFORMED)?)?)
            }
            5 => take(&mut rest, 4).map(|_| Value::Fixed)?,
            _ => return Err(MALFORMED),
        };
        if field == 0 {
            return Err(MALFORMED);
        }
        each(field, value)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(MALFORMED) }
}

pub(super) fn write_number(out: &mut Vec<u8>, field: u32, number: u32) {
    write_varint(out, u64::from(field) << 3);
    write_varint(out, u64::from(number));
}

pub(super) fn write_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    write_varint(out, u64::from(field) << 3 | 2);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(MALFORMED)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return Err(MALFORMED);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(MALFORMED)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Error> {
    let (taken, after) = rest.split_at_checked(len).ok_or(MALFORMED)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Error> {
        let mut fields = Vec::new();
        read(bytes, |field, value| {
            fields.push((field, value));
            Ok(())
        })?;
        Ok(fields)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write_number(&mut bytes, 1, 300);
        write_bytes(&mut bytes, 2, b"testing");
        write_number(&mut bytes, 16, u32::MAX);
        assert_eq!(bytes[..3], [0x08, 0xac, 0x02]);
        let expected = vec![(1, Value::Number(300)), (2, Value::Bytes(b"testing")), (16, Value::Number(u32::MAX))];
        assert_eq!(fields(&bytes), Ok(expected));
    }

    #[test]
    fn unknown_fixed_fields_are_skipped() {
        let bytes = [0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x18, 7];
        assert_eq!(fields(&bytes), Ok(vec![(1, Value::Fixed), (2, Value::Fixed), (3, Value::Number(7))]));
    }

    #[test]
    fn cut_overlong_and_strange_input_is_refused() {
        let bad: [&[u8]; 9] = [
            &[0x08],
            &[0x12, 5, 1],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x0b],
            &[0x00, 1],
            &[0x0f, 1],
            &[0x09, 1, 2],
        ];
        for bytes in bad {
            assert_eq!(fields(bytes), Err(MALFORMED), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_has_no_more_fields_than_the_limit() {
        let field = [0x08, 1];
        assert!(fields(&field.repeat(PROTOBUF_FIELDS_MAX)).is_ok());
        assert_eq!(fields(&field.repeat(PROTOBUF_FIELDS_MAX + 1)), Err(MALFORMED));
    }
}
