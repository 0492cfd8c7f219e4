//! The payload of a message, encrypted once for all devices, and the key to it, which the ratchets carry to each.
//!
//! `urn:xmpp:omemo:2` (XEP-0384 "Message Encryption"): a random key of 32 bytes gives AES-256-CBC and HMAC keys; the key
//! and 16 bytes of HMAC are carried. Older namespace (XEP-0384 0.3 §4.4): AES-128-GCM; the key and the 16 bytes of tag
//! are carried, the nonce stands beside the payload.

use std::fmt;

// tidy: allow vendors, this is a mode of AES
use aes_gcm::{AesGcm, KeyInit, aead::AeadInOut, aead::consts::U12, aead::consts::U16, aes::Aes128};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::cipher::MessageKeys;
use crate::error::Error;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::protocol::Protocol;

const LABEL: &[u8] = b"OMEMO Payload";
const MAC_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// Block of AES-CBC, by at most which a payload is longer than its plaintext; GCM's tag is as long.
const BLOCK_BYTES: usize = 16;

/// What the ratchets carry: the key to a payload, and what authenticates it.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey {
    protocol: Protocol,
    bytes: Zeroizing<Vec<u8>>,
}

/// An encrypted payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPayload {
    /// `<iv/>`, which only the older namespace has.
    pub iv: Option<[u8; 12]>,
    /// `<payload/>`.
    pub ciphertext: Vec<u8>,
}

impl PayloadKey {
    /// The key of an empty message: one without payload, to start or heal sessions. With it goes the content of
    /// `<iv/>` in the older namespace, where such a message has one.
    pub fn empty<R: CryptoRng + ?Sized>(protocol: Protocol, rng: &mut R) -> (Self, Option<[u8; 12]>) {
        match protocol {
            Protocol::Omemo2 => (Self { protocol, bytes: Zeroizing::new(vec![0; 32]) }, None),
            Protocol::Axolotl => {
                let mut bytes = Zeroizing::new(vec![0; 16]);
                let mut iv = [0; 12];
                rng.fill_bytes(&mut bytes);
                rng.fill_bytes(&mut iv);
                (Self { protocol, bytes }, Some(iv))
            }
        }
    }

    /// The namespace.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The bytes that a ratchet encrypts.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From what a ratchet decrypted.
    pub(crate) fn from_plaintext(protocol: Protocol, bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let good = match protocol {
            // A key alone comes from old clients, whose tag is at the payload's end, and in empty messages.
            Protocol::Axolotl => matches!(bytes.len(), 16 | 32),
            Protocol::Omemo2 => matches!(bytes.len(), 32 | 48),
        };
        if good { Ok(Self { protocol, bytes }) } else { Err(Error::Malformed("payload key")) }
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey")
    }
}

/// Encrypts a payload: an SCE envelope (XEP-0420), or the text of a message in the older namespace.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn seal<R: CryptoRng + ?Sized>(
    protocol: Protocol,
    plaintext: &[u8],
    rng: &mut R,
) -> Result<(PayloadKey, SealedPayload), Error> {
    if plaintext.len() > PAYLOAD_BYTES_MAX {
        return Err(Error::TooLarge("payload"));
    }
    match protocol {
        Protocol::Omemo2 => {
            let mut key = Zeroizing::new([0; 32]);
            rng.fill_bytes(key.as_mut_slice());
            let keys = MessageKeys::derive(&key, LABEL);
            let ciphertext = keys.encrypt(plaintext);
            let bytes = Zeroizing::new([key.as_slice(), &keys.mac(&[&ciphertext], MAC_BYTES)].concat());
            Ok((PayloadKey { protocol, bytes }, SealedPayload { iv: None, ciphertext }))
        }
        Protocol::Axolotl => {
            let (mut key, mut iv) = (Zeroizing::new([0; 16]), [0; 12]);
            rng.fill_bytes(key.as_mut_slice());
            rng.fill_bytes(&mut iv);
            let mut ciphertext = plaintext.to_vec();
            let tag = AesGcm::<Aes128, U12>::new(&(*key).into())
                .encrypt_inout_detached(&iv.into(), b"", ciphertext.as_mut_slice().into())
                .map_err(|_| Error::TooLarge("payload"))?;
            let bytes = Zeroizing::new([key.as_slice(), tag.as_slice()].concat());
            Ok((PayloadKey { protocol, bytes }, SealedPayload { iv: Some(iv), ciphertext }))
        }
    }
}

/// Decrypts a payload. `iv` is the content of `<iv/>`: 12 bytes, or 16 from older clients.
///
/// # Errors
/// [`Error::BadPayload`] when payload and key do not belong together, [`Error::TooLarge`].
pub fn open(key: &PayloadKey, iv: Option<&[u8]>, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if ciphertext.len() > PAYLOAD_BYTES_MAX + BLOCK_BYTES {
        return Err(Error::TooLarge("payload"));
    }
    match key.protocol {
        Protocol::Omemo2 => {
            let (key, mac) = key.bytes.split_first_chunk().ok_or(Error::BadPayload)?;
            let keys = MessageKeys::derive(key, LABEL);
            if !keys.is_authentic(&[ciphertext], mac, MAC_BYTES) {
                return Err(Error::BadPayload);
            }
            keys.decrypt(ciphertext).ok_or(Error::BadPayload)
        }
        Protocol::Axolotl => {
            let (key, mut tag) = key.bytes.split_first_chunk::<16>().ok_or(Error::BadPayload)?;
            let mut ciphertext = ciphertext;
            if tag.is_empty() {
                let end = ciphertext.len().checked_sub(TAG_BYTES).ok_or(Error::BadPayload)?;
                (ciphertext, tag) = ciphertext.split_at_checked(end).ok_or(Error::BadPayload)?;
            }
            let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| Error::BadPayload)?;
            let mut plaintext = Zeroizing::new(ciphertext.to_vec());
            let buffer = plaintext.as_mut_slice().into();
            let iv = iv.ok_or(Error::Malformed("payload: it has no <iv/>"))?;
            let opened = match (<[u8; 12]>::try_from(iv), <[u8; 16]>::try_from(iv)) {
                (Ok(iv), _) => {
                    AesGcm::<Aes128, U12>::new(key.into()).decrypt_inout_detached(&iv.into(), b"", buffer, &tag.into())
                }
                (_, Ok(iv)) => {
                    AesGcm::<Aes128, U16>::new(key.into()).decrypt_inout_detached(&iv.into(), b"", buffer, &tag.into())
                }
                _ => return Err(Error::Malformed("payload: its <iv/> is neither 12 nor 16 bytes")),
            };
            opened.map(|()| plaintext).map_err(|_| Error::BadPayload)
        }
    }
}
