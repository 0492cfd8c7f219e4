//! Several values in one sealed one: each after its length plus one (LEB128), 0
//! for one that is absent; the last may go without.

use bytes::{Buf, Bytes};

use super::data_key::{NONCE_BYTES, TAG_BYTES};
use crate::Error;

/// What is to be sealed, with room for the nonce before it and the tag after it.
pub(crate) struct Fields(pub(super) Vec<u8>);

impl Fields {
    /// None yet; `bytes` is about how long they become.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes.saturating_add(NONCE_BYTES + TAG_BYTES + 8));
        buffer.resize(NONCE_BYTES, 0);
        Self(buffer)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.opt_bytes(Some(bytes))
    }

    pub(crate) fn opt_bytes(mut self, bytes: Option<&[u8]>) -> Self {
        let mut prefix = bytes.map_or(0, |bytes| bytes.len().saturating_add(1));
        while prefix > 0x7f {
            self.0.push(u8::try_from(prefix & 0x7f).unwrap_or(0) | 0x80);
            prefix >>= 7;
        }
        self.0.push(u8::try_from(prefix).unwrap_or(0));
        self.rest(bytes.unwrap_or_default())
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn opt_text(self, text: Option<&str>) -> Self {
        self.opt_bytes(text.map(str::as_bytes))
    }

    /// The last one, without its length.
    pub(crate) fn rest(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// What was sealed, read in the order in which it was written.
pub(crate) struct Opened(pub(super) Bytes);

impl Opened {
    pub(crate) fn bytes(&mut self) -> Result<Bytes, Error> {
        self.opt_bytes()?.ok_or_else(malformed)
    }

    pub(crate) fn opt_bytes(&mut self) -> Result<Option<Bytes>, Error> {
        let (mut prefix, mut shift) = (0_usize, 0_u32);
        loop {
            let byte = self.0.try_get_u8().map_err(|_| malformed())?;
            let part = usize::from(byte & 0x7f).checked_shl(shift).ok_or_else(malformed)?;
            prefix |= part;
            if byte & 0x80 == 0 {
                break;
            }
            shift = shift.saturating_add(7);
        }
        let Some(len) = prefix.checked_sub(1) else { return Ok(None) };
        if len > self.0.len() {
            return Err(malformed());
        }
        Ok(Some(self.0.split_to(len)))
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.opt_text()?.ok_or_else(malformed)
    }

    pub(crate) fn opt_text(&mut self) -> Result<Option<String>, Error> {
        let bytes = self.opt_bytes()?;
        bytes.map(|bytes| String::from_utf8(bytes.into()).map_err(|_| malformed())).transpose()
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }
}

fn malformed() -> Error {
    Error::Corrupt("a sealed value holds something else than was expected".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_come_back_as_they_went_in(list in prop::collection::vec(any::<Option<Vec<u8>>>(), 0..5), long in 0_usize..40_000) {
            let long = vec![b'x'; long];
            let written = list.iter().fold(Fields::new(0), |fields, field| fields.opt_bytes(field.as_deref()));
            let written = written.bytes(&long).rest(b"rest");
            let mut opened = Opened(Bytes::from(written.0).slice(NONCE_BYTES..));
            for field in &list {
                prop_assert_eq!(opened.opt_bytes().unwrap(), field.clone().map(Bytes::from));
            }
            prop_assert_eq!(opened.bytes().unwrap(), long);
            prop_assert_eq!(opened.rest(), Bytes::from_static(b"rest"));
        }

        #[test]
        fn anything_else_is_refused_and_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut opened = Opened(bytes.into());
            while let Ok(Some(_)) = opened.opt_text() {}
        }
    }
}
