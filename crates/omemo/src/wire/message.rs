//! A ratchet message: `OMEMOMessage` in `OMEMOAuthenticatedMessage`, or in the older namespace a version byte, the
//! same fields, and the MAC at the end.

use super::protobuf;
use crate::curve::PublicKey;
use crate::error::Error;
use crate::limits::ENCRYPTED_KEY_BYTES_MAX;
use crate::protocol::{Framing, Profile, Protocol};

/// Message version 3 in the high half, the newest version that the sender speaks in the low half.
const VERSION: u8 = 0x33;
/// Fields of `OMEMOAuthenticatedMessage`.
const MAC_FIELD: u32 = 1;
const MESSAGE_FIELD: u32 = 2;

const MALFORMED: Error = Error::Malformed("message");

/// Where in a conversation a message stands (Double Ratchet, "HEADER").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's ratchet key.
    pub dh: PublicKey,
    /// Number of the message in its chain.
    pub n: u32,
    /// Length of the sender's previous chain.
    pub pn: u32,
}

/// A ratchet message as it was read; nothing of it is authenticated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it stands.
    pub header: Header,
    /// The encrypted key.
    pub ciphertext: &'a [u8],
    /// What the MAC covers, beside the identity keys: the bytes as they came.
    pub authenticated: &'a [u8],
    /// The MAC, of the length that the namespace cuts it to.
    pub mac: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the content of a `<key/>` that is no key exchange.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::Malformed`] when something is missing or wrong.
    pub fn parse(protocol: Protocol, bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > ENCRYPTED_KEY_BYTES_MAX {
            return Err(Error::TooLarge("message"));
        }
        let profile = protocol.profile();
        let (authenticated, mac, fields) = match profile.framing {
            Framing::Versioned => {
                let end = bytes.len().checked_sub(profile.mac_bytes).ok_or(MALFORMED)?;
                let (authenticated, mac) = bytes.split_at_checked(end).ok_or(MALFORMED)?;
                (authenticated, mac, after_version(authenticated)?)
            }
            Framing::Nested => {
                let (mac, message) = nested(bytes)?;
                (message, mac, message)
            }
        };
        if mac.len() != profile.mac_bytes {
            return Err(MALFORMED);
        }
        let (header, ciphertext) = fields_of(profile, fields)?;
        Ok(Self { header, ciphertext, authenticated, mac })
    }
}

/// Writes a message; `mac` makes the MAC of the bytes it covers.
pub(crate) fn write_message(
    profile: &Profile,
    header: &Header,
    ciphertext: &[u8],
    mac: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut message = match profile.framing {
        Framing::Versioned => vec![VERSION],
        Framing::Nested => Vec::new(),
    };
    write_fields(profile, header, ciphertext, &mut message);
    let mac = mac(&message);
    match profile.framing {
        Framing::Versioned => {
            message.extend_from_slice(&mac);
            message
        }
        Framing::Nested => {
            let mut out = Vec::new();
            protobuf::write_bytes(&mut out, MAC_FIELD, &mac);
            protobuf::write_bytes(&mut out, MESSAGE_FIELD, &message);
            out
        }
    }
}

/// What follows the version byte of the older namespace.
pub(super) fn after_version(bytes: &[u8]) -> Result<&[u8], Error> {
    let (version, rest) = bytes.split_first().ok_or(MALFORMED)?;
    if version >> 4 == VERSION >> 4 { Ok(rest) } else { Err(Error::Malformed("message version")) }
}

/// Writes the version byte where the namespace has one.
pub(super) fn version(profile: &Profile) -> Vec<u8> {
    match profile.framing {
        Framing::Versioned => vec![VERSION],
        Framing::Nested => Vec::new(),
    }
}

fn nested(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (mut mac, mut message) = (None, None);
    protobuf::read(bytes, |field, value| {
        match field {
            MAC_FIELD => mac = Some(value.bytes()?),
            MESSAGE_FIELD => message = Some(value.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok((mac.ok_or(MALFORMED)?, message.ok_or(MALFORMED)?))
}

fn fields_of<'a>(profile: &Profile, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), Error> {
    let numbers = &profile.message_fields;
    let (mut dh, mut n, mut pn, mut ciphertext) = (None, None, None, None);
    protobuf::read(bytes, |field, value| {
        match field {
            _ if field == numbers.dh => dh = PublicKey::decode(profile.key_form, value.bytes()?),
            _ if field == numbers.n => n = Some(value.number()?),
            _ if field == numbers.pn => pn = Some(value.number()?),
            _ if field == numbers.ciphertext => ciphertext = Some(value.bytes()?),
            _ => {}
        }
        Ok(())
    })?;
    // The older namespace declares its counters optional; what is left out is 0.
    let absent = match profile.framing {
        Framing::Versioned => Some(0),
        Framing::Nested => None,
    };
    let header = Header {
        dh: dh.ok_or(Error::Malformed("ratchet key"))?,
        n: n.or(absent).ok_or(MALFORMED)?,
        pn: pn.or(absent).ok_or(MALFORMED)?,
    };
    Ok((header, ciphertext.ok_or(MALFORMED)?))
}

fn write_fields(profile: &Profile, header: &Header, ciphertext: &[u8], out: &mut Vec<u8>) {
    let numbers = &profile.message_fields;
    let mut order = [numbers.dh, numbers.n, numbers.pn, numbers.ciphertext];
    order.sort_unstable();
    for field in order {
        match field {
            _ if field == numbers.dh => protobuf::write_bytes(out, field, &header.dh.encode(profile.key_form)),
            _ if field == numbers.n => protobuf::write_number(out, field, header.n),
            _ if field == numbers.pn => protobuf::write_number(out, field, header.pn),
            _ => protobuf::write_bytes(out, field, ciphertext),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { dh: PublicKey::new([7; 32]), n: 300, pn: 2 };

    fn written(protocol: Protocol) -> Vec<u8> {
        let profile = protocol.profile();
        write_message(profile, &HEADER, b"ciphertext", |_| vec![9; profile.mac_bytes])
    }

    #[test]
    fn a_message_that_was_written_is_read() {
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            let bytes = written(protocol);
            let message = Message::parse(protocol, &bytes).unwrap();
            assert_eq!(message.header, HEADER);
            assert_eq!(message.ciphertext, b"ciphertext");
            assert_eq!(message.mac, vec![9; protocol.profile().mac_bytes]);
        }
    }

    #[test]
    fn the_fields_stand_where_the_schemas_have_them() {
        let bytes = written(Protocol::Omemo2);
        assert_eq!(bytes[..2], [0x0a, 16], "mac = 1");
        assert_eq!(bytes[18..20], [0x12, 51], "message = 2");
        assert_eq!(bytes[20..27], [0x08, 0xac, 0x02, 0x10, 2, 0x1a, 32], "n = 1, pn = 2, dh_pub = 3");
        let bytes = written(Protocol::Axolotl);
        assert_eq!(bytes[..4], [0x33, 0x0a, 33, 5]);
    }

    #[test]
    fn a_cut_message_is_refused_wherever_it_is_cut() {
        for protocol in [Protocol::Axolotl, Protocol::Omemo2] {
            let bytes = written(protocol);
            for len in 0..bytes.len() {
                assert!(Message::parse(protocol, &bytes[..len]).is_err(), "{protocol:?} {len}");
            }
        }
    }

    #[test]
    fn a_message_of_another_version_or_size_is_refused() {
        let mut bytes = written(Protocol::Axolotl);
        bytes[0] = 0x23;
        assert_eq!(Message::parse(Protocol::Axolotl, &bytes), Err(Error::Malformed("message version")));
        let large = vec![0x33; ENCRYPTED_KEY_BYTES_MAX + 1];
        assert_eq!(Message::parse(Protocol::Axolotl, &large), Err(Error::TooLarge("message")));
        assert_ne!(Message::parse(Protocol::Axolotl, &large[1..]), Err(Error::TooLarge("message")));
    }
}
