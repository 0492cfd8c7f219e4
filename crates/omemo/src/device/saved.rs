//! A device and an identity as bytes. They hold private keys: keep them where only the device can read them.

use zeroize::Zeroizing;

use super::prekeys::{Prekeys, SignedPrekey};
use super::{Device, DeviceId};
use crate::error::Error;
use crate::identity::Identity;
use crate::limits::{PREKEYS, USED_PREKEYS_MAX};
use crate::protocol::Protocol;
use crate::state::{Kind, MALFORMED, Reader, Writer};

impl Device {
    /// The state to save, the identity included.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let capacity = 512 + (PREKEYS + USED_PREKEYS_MAX) * 36;
        let mut out = Writer::new(Kind::Device, self.protocol, capacity);
        out.number(self.id.number());
        out.secret(self.identity.pair().private());
        self.signed.write(&mut out);
        out.option(self.previous.as_ref(), |out, signed| signed.write(out));
        self.prekeys.write(&mut out);
        out.finish()
    }

    /// Reads a saved state.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::TooLarge`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (mut from, protocol) = Reader::new(Kind::Device, bytes)?;
        let device = Self {
            protocol,
            id: DeviceId::new(from.number()?).ok_or(MALFORMED)?,
            identity: Identity::from_private(from.secret()?),
            signed: SignedPrekey::read(&mut from)?,
            previous: from.option(SignedPrekey::read)?,
            prekeys: Prekeys::read(&mut from)?,
        };
        from.finish()?;
        Ok(device)
    }
}

impl Identity {
    /// The state to save.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // An identity is of no namespace; the field is there all the same.
        let mut out = Writer::new(Kind::Identity, Protocol::Omemo2, 64);
        out.secret(self.pair().private());
        out.finish()
    }

    /// Reads a saved state.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::TooLarge`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (mut from, _) = Reader::new(Kind::Identity, bytes)?;
        let identity = Self::from_private(from.secret()?);
        from.finish()?;
        Ok(identity)
    }
}
