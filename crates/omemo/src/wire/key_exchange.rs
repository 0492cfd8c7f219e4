//! A key exchange: what the responder needs to agree on the same secret, and the first messages of the session.

use super::{message, protobuf};
use crate::curve::PublicKey;
use crate::error::Error;
use crate::identity::IdentityKey;
use crate::limits::ENCRYPTED_KEY_BYTES_MAX;
use crate::protocol::{Framing, Protocol};

const MALFORMED: Error = Error::Malformed("key exchange");

/// `OMEMOKeyExchange`, and what the older namespace has in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyExchange<'a> {
    /// Which one-time prekey of the responder is used. An exchange without one is refused (XEP-0384 "Key Exchange").
    pub prekey_id: u32,
    /// Which signed prekey of the responder is used.
    pub signed_prekey_id: u32,
    /// The initiator's identity key.
    pub identity: IdentityKey,
    /// The initiator's ephemeral key.
    pub ephemeral: PublicKey,
    /// A ratchet message.
    pub message: &'a [u8],
}

impl<'a> KeyExchange<'a> {
    /// Reads the content of a `<key/>` that says it is a key exchange.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::Malformed`] when something is missing or wrong.
    pub fn parse(protocol: Protocol, bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > ENCRYPTED_KEY_BYTES_MAX {
            return Err(Error::TooLarge("key exchange"));
        }
        let profile = protocol.profile();
        let bytes = match profile.framing {
            Framing::Versioned => message::after_version(bytes)?,
            Framing::Nested => bytes,
        };
        let numbers = &profile.key_exchange_fields;
        let (mut prekey_id, mut signed_prekey_id) = (None, None);
        let (mut identity, mut ephemeral, mut message) = (None, None, None);
        protobuf::read(bytes, |field, value| {
            match field {
                _ if field == numbers.prekey_id => prekey_id = Some(value.number()?),
                _ if field == numbers.signed_prekey_id => signed_prekey_id = Some(value.number()?),
                _ if field == numbers.identity => identity = Some(IdentityKey::decode(protocol, value.bytes()?)?),
                _ if field == numbers.ephemeral => ephemeral = PublicKey::decode(profile.key_form, value.bytes()?),
                _ if field == numbers.message => message = Some(value.bytes()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            prekey_id: prekey_id.ok_or(Error::Malformed("key exchange: it uses no one-time prekey"))?,
            signed_prekey_id: signed_prekey_id.ok_or(MALFORMED)?,
            identity: identity.ok_or(MALFORMED)?,
            ephemeral: ephemeral.ok_or(MALFORMED)?,
            message: message.ok_or(MALFORMED)?,
        })
    }

    /// Writes it; `device_id` is the sender's, for the namespace that has it.
    ///
    /// # Errors
    /// [`Error::WeakKey`] when the identity key has no form of this namespace.
    pub fn write(&self, protocol: Protocol, device_id: u32) -> Result<Vec<u8>, Error> {
        let profile = protocol.profile();
        let numbers = &profile.key_exchange_fields;
        let mut out = message::version(profile);
        let mut order =
            [numbers.prekey_id, numbers.signed_prekey_id, numbers.identity, numbers.ephemeral, numbers.message];
        order.sort_unstable();
        for field in order {
            match field {
                _ if field == numbers.prekey_id => protobuf::write_number(&mut out, field, self.prekey_id),
                _ if field == numbers.signed_prekey_id => {
                    protobuf::write_number(&mut out, field, self.signed_prekey_id);
                }
                _ if field == numbers.identity => {
                    protobuf::write_bytes(&mut out, field, &self.identity.encode(protocol)?);
                }
                _ if field == numbers.ephemeral => {
                    protobuf::write_bytes(&mut out, field, &self.ephemeral.encode(profile.key_form));
                }
                _ => protobuf::write_bytes(&mut out, field, self.message),
            }
        }
        if let Some(field) = numbers.device_id {
            protobuf::write_number(&mut out, field, device_id);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::identity::Identity;

    fn exchange() -> KeyExchange<'static> {
        KeyExchange {
            prekey_id: 17,
            signed_prekey_id: 3,
            identity: Identity::random(&mut StdRng::seed_from_u64(1)).key(),
            ephemeral: PublicKey::new([9; 32]),
            message: b"message",
        }
    }

    #[test]
    fn a_key_exchange_that_was_written_is_read() {
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            let bytes = exchange().write(protocol, 5).unwrap();
            assert_eq!(KeyExchange::parse(protocol, &bytes), Ok(exchange()));
        }
    }

    #[test]
    fn a_cut_key_exchange_is_refused_wherever_it_is_cut() {
        let bytes = exchange().write(Protocol::Omemo2, 5).unwrap();
        for len in 0..bytes.len() {
            assert!(KeyExchange::parse(Protocol::Omemo2, &bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_key_exchange_without_a_one_time_prekey_is_refused() {
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            let bytes = exchange().write(protocol, 5).unwrap();
            let at = bytes.iter().position(|byte| *byte == 8).unwrap();
            let without = [&bytes[..at], &bytes[at + 2..]].concat();
            let error = Error::Malformed("key exchange: it uses no one-time prekey");
            assert_eq!(KeyExchange::parse(protocol, &without), Err(error));
        }
    }

    #[test]
    fn a_key_exchange_beyond_the_limit_is_refused() {
        let large = vec![0; ENCRYPTED_KEY_BYTES_MAX + 1];
        assert_eq!(KeyExchange::parse(Protocol::Omemo2, &large), Err(Error::TooLarge("key exchange")));
    }
}
