//! AES-256-CBC with PKCS#7 padding and HMAC-SHA-256: what encrypts each ratchet message, and the payload of
//! `urn:xmpp:omemo:2` (XEP-0384 "Double Ratchet", `ENCRYPT`, and "Message Encryption").

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::kdf;

/// Keys of one message: encryption key, authentication key and initialisation vector.
pub(crate) struct MessageKeys {
    encryption: Zeroizing<[u8; 32]>,
    authentication: Zeroizing<[u8; 32]>,
    iv: [u8; 16],
}

impl MessageKeys {
    /// 80 bytes of HKDF output, split.
    pub(crate) fn derive(key: &[u8; 32], label: &[u8]) -> Self {
        let out: Zeroizing<[u8; 80]> = kdf::expand(&kdf::NO_SALT, key, label);
        let mut bytes = out.iter().copied();
        let mut keys = Self { encryption: Zeroizing::default(), authentication: Zeroizing::default(), iv: [0; 16] };
        keys.encryption.iter_mut().chain(keys.authentication.iter_mut()).chain(&mut keys.iv).for_each(|to| {
            *to = bytes.next().unwrap_or_default();
        });
        keys
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        cbc::Encryptor::<Aes256>::new(&(*self.encryption).into(), &self.iv.into())
            .encrypt_padded_vec::<Pkcs7>(plaintext)
    }

    /// `None` when the padding is wrong; only called once the MAC was right.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        cbc::Decryptor::<Aes256>::new(&(*self.encryption).into(), &self.iv.into())
            .decrypt_padded_vec::<Pkcs7>(ciphertext)
            .ok()
            .map(Zeroizing::new)
    }

    /// HMAC over the parts, cut to `bytes` (at most 32).
    pub(crate) fn mac(&self, parts: &[&[u8]], bytes: usize) -> Vec<u8> {
        kdf::hmac(&self.authentication, parts).into_iter().take(bytes).collect()
    }

    /// Whether the MAC has exactly `bytes` bytes and is right, in constant time.
    pub(crate) fn is_authentic(&self, parts: &[&[u8]], mac: &[u8], bytes: usize) -> bool {
        self.mac(parts, bytes).ct_eq(mac).into()
    }
}
