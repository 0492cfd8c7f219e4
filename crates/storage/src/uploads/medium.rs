//! What an upload holds: a key and a list of parts.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    AccountId, Error, Row, Value,
    seal::{self, DataKey, Fields, Hash, Place, Table},
};

/// Names a medium; random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(
    /// Its bytes.
    pub [u8; 16],
);

impl ObjectId {
    /// Below every other one.
    pub const MIN: Self = Self([0; 16]);

    pub(super) fn read(row: &mut Row) -> Result<Self, Error> {
        Hash::read(row).map(|hash| Self(hash.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl From<ObjectId> for Value {
    fn from(id: ObjectId) -> Self {
        Hash(id.0).into()
    }
}

/// Names a part of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartId(
    /// Its bytes.
    pub [u8; 16],
);

/// A part: an object of the media store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub id: PartId,
    /// Bytes of the file that it has.
    pub bytes: u32,
}

/// Bytes of a part in the list.
const PART_BYTES: usize = 20;

/// A medium as far as it is there.
#[derive(Clone)]
pub struct Medium {
    /// Its name.
    pub object: ObjectId,
    /// What its parts are sealed with; nothing else ever is.
    pub key: [u8; 32],
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium").field("object", &self.object).field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Medium {
    /// Bytes of it that are there.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes.into()))
    }

    pub(super) fn create() -> Result<Self, Error> {
        Ok(Self { object: ObjectId(seal::random()?), key: seal::random()?, parts: Vec::new() })
    }

    /// The column `sealed`.
    pub(super) fn sealed(&self, key: &DataKey, owner: AccountId) -> Result<Value, Error> {
        key.seal(place(owner, self.object), Fields::new(40).bytes(&self.key))
    }

    /// From the columns bytes, parts, sealed.
    pub(super) fn read(key: &DataKey, owner: AccountId, object: ObjectId, row: &mut Row) -> Result<Self, Error> {
        let (bytes, parts) = (row.count()?, read_parts(row.blob()?)?);
        let own = key.open(place(owner, object), row.blob()?)?.bytes()?;
        let own = own.as_ref().try_into().map_err(|_| corrupt("the key of a medium has another length"))?;
        let medium = Self { object, key: own, parts };
        if medium.bytes() == bytes { Ok(medium) } else { Err(corrupt("the parts of a medium are not its bytes")) }
    }
}

fn place(owner: AccountId, object: ObjectId) -> Place {
    Place::hashed(Table::Media, owner, Hash(object.0))
}

/// The column `parts`.
pub(super) fn parts_value(parts: &[Part]) -> Value {
    let mut list = BytesMut::with_capacity(parts.len().saturating_mul(PART_BYTES));
    for part in parts {
        list.put_slice(&part.id.0);
        list.put_u32(part.bytes);
    }
    Value::Blob(list.freeze())
}

pub(super) fn read_parts(mut list: Bytes) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::with_capacity(list.len() / PART_BYTES);
    while !list.is_empty() {
        let mut id = PartId([0; 16]);
        let malformed = |_| corrupt("a list of parts has another length");
        list.try_copy_to_slice(&mut id.0).map_err(malformed)?;
        parts.push(Part { id, bytes: list.try_get_u32().map_err(malformed)? });
    }
    Ok(parts)
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_parts_comes_back_and_a_torn_one_is_refused() {
        let parts = [1_u8, 2].map(|byte| Part { id: PartId([byte; 16]), bytes: u32::from(byte) * 1_000_000 });
        let Value::Blob(list) = parts_value(&parts) else { panic!() };
        assert_eq!(read_parts(list.clone()).unwrap(), parts);
        for cut in (1..list.len()).filter(|cut| cut % PART_BYTES != 0) {
            assert!(read_parts(list.slice(..cut)).unwrap_err().is_corrupt());
        }
    }
}
