//! The encoding of saved state: a kind, a version, the namespace, then the fields in a fixed order, numbers in 4 bytes
//! little-endian, lists with their count in front. Every count is checked against `limits.rs` before anything is
//! made of it.

use zeroize::Zeroizing;

use crate::curve::{KeyPair, PublicKey};
use crate::error::Error;
use crate::identity::IdentityKey;
use crate::limits::STATE_BYTES_MAX;
use crate::protocol::Protocol;
use crate::secret::Secret;

/// What the first byte of a saved state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Device = 1,
    Peer = 2,
    Identity = 3,
}

const VERSION: u8 = 1;

pub(crate) const MALFORMED: Error = Error::Malformed("saved state");

/// Writes a state. Its bytes are wiped when they are dropped, so `capacity` should be enough from the start.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn new(kind: Kind, protocol: Protocol, capacity: usize) -> Self {
        let mut writer = Self(Zeroizing::new(Vec::with_capacity(capacity)));
        let protocol = match protocol {
            Protocol::Axolotl => 1,
            Protocol::Omemo2 => 2,
        };
        writer.0.extend_from_slice(&[kind as u8, VERSION, protocol]);
        writer
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(crate) fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// The length of a list; no list here is near 2^32 long.
    pub(crate) fn count(&mut self, count: usize) {
        self.number(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn secret(&mut self, secret: &Secret) {
        self.bytes(secret.as_bytes());
    }

    pub(crate) fn public(&mut self, key: &PublicKey) {
        self.bytes(key.as_bytes());
    }

    pub(crate) fn identity(&mut self, key: &IdentityKey) {
        self.public(key.public());
        self.flag(key.sign() == 1);
    }

    /// Whether there is a value, and if so the value.
    pub(crate) fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads a state.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: Kind, bytes: &'a [u8]) -> Result<(Self, Protocol), Error> {
        if bytes.len() > STATE_BYTES_MAX {
            return Err(Error::TooLarge("saved state"));
        }
        let ([found, version, protocol], rest) = bytes.split_first_chunk().ok_or(MALFORMED)?;
        if *version != VERSION {
            return Err(Error::Malformed("saved state: it is of a version that this one cannot read"));
        }
        let protocol = match protocol {
            1 => Protocol::Axolotl,
            2 => Protocol::Omemo2,
            _ => return Err(MALFORMED),
        };
        if *found == kind as u8 { Ok((Self { rest }, protocol)) } else { Err(MALFORMED) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(MALFORMED)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(MALFORMED),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// A list of at most `max` items.
    pub(crate) fn list<T, L: FromIterator<T>>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<L, Error> {
        let count = self.number()?;
        if usize::try_from(count).map_or(true, |count| count > max) {
            return Err(MALFORMED);
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(crate) fn secret(&mut self) -> Result<Secret, Error> {
        self.array().map(Secret::new)
    }

    pub(crate) fn pair(&mut self) -> Result<KeyPair, Error> {
        self.secret().map(KeyPair::from_private)
    }

    pub(crate) fn public(&mut self) -> Result<PublicKey, Error> {
        self.array().map(PublicKey::new)
    }

    pub(crate) fn identity(&mut self) -> Result<IdentityKey, Error> {
        let public = self.public()?;
        IdentityKey::from_parts(public, u8::from(self.flag()?)).ok_or(MALFORMED)
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<Option<T>, Error> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_another_kind_version_or_size_is_refused() {
        let state = Writer::new(Kind::Peer, Protocol::Omemo2, 3).finish();
        assert!(Reader::new(Kind::Peer, &state).is_ok());
        assert_eq!(Reader::new(Kind::Device, &state).err(), Some(MALFORMED));
        let error = Error::Malformed("saved state: it is of a version that this one cannot read");
        assert_eq!(Reader::new(Kind::Peer, &[2, 9, 2]).err(), Some(error));
        let large = vec![2; STATE_BYTES_MAX + 1];
        assert_eq!(Reader::new(Kind::Peer, &large).err(), Some(Error::TooLarge("saved state")));
    }

    #[test]
    fn a_list_longer_than_its_limit_is_refused() {
        let mut writer = Writer::new(Kind::Peer, Protocol::Omemo2, 16);
        writer.count(3);
        writer.bytes(&[0, 1, 0]);
        let state = writer.finish();
        let read = |max| Reader::new(Kind::Peer, &state).unwrap().0.list::<_, Vec<_>>(max, Reader::flag);
        assert_eq!(read(3), Ok(vec![false, true, false]));
        assert_eq!(read(2), Err(MALFORMED));
    }
}
