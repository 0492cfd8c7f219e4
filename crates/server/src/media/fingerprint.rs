//! Knowing the same content again. Each 64 KiB of a file are authenticated under a secret key of its owner (GMAC), and
//! the tags hashed together: a universal hash, ten times as fast as SHA-256. The tags never leave this place, so nobody
//! learns the key, and without it two files are alike by chance only. An owner who knew it could mix up two files of
//! their own.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use storage::uploads::{FingerprintKey, Medium};

use super::{Error, Outflow};
use crate::segments::SEGMENT_BYTES;

/// A content on its way to a digest.
pub struct Fingerprinting {
    key: LessSafeKey,
    segments: u64,
    /// Less than a segment.
    begun: Vec<u8>,
    tags: digest::Context,
}

impl Fingerprinting {
    /// Of nothing yet.
    ///
    /// # Errors
    /// When the cipher refuses the key.
    pub fn new(key: &FingerprintKey) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_128_GCM, &key.0).map_err(|_| Error::NoRandomness)?;
        let tags = digest::Context::new(&digest::SHA256);
        Ok(Self { key: LessSafeKey::new(key), segments: 0, begun: Vec::new(), tags })
    }

    /// Reads on. Whole segments cost no copy.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.begun.is_empty()
                && let Some((segment, rest)) = bytes.split_at_checked(SEGMENT_BYTES)
            {
                self.segment(segment)?;
                bytes = rest;
                continue;
            }
            let room = SEGMENT_BYTES.saturating_sub(self.begun.len());
            let (now, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.begun.extend_from_slice(now);
            bytes = rest;
            if self.begun.len() == SEGMENT_BYTES {
                let segment = std::mem::take(&mut self.begun);
                self.segment(&segment)?;
            }
        }
        Ok(())
    }

    /// The digest of all that was read.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn finish(mut self) -> Result<[u8; 32], Error> {
        if !self.begun.is_empty() {
            let segment = std::mem::take(&mut self.begun);
            self.segment(&segment)?;
        }
        let mut digest = [0; 32];
        digest.iter_mut().zip(self.tags.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Ok(digest)
    }

    fn segment(&mut self, segment: &[u8]) -> Result<(), Error> {
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(self.segments.to_le_bytes()).for_each(|(to, from)| *to = from);
        self.segments = self.segments.saturating_add(1);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(segment), &mut []);
        self.tags.update(tag.map_err(|_| Error::NoRandomness)?.as_ref());
        Ok(())
    }
}

/// The digest of a medium that is in the store already.
///
/// # Errors
/// When it cannot be read.
pub async fn of_medium(store: &blob::Store, medium: &Medium, key: &FingerprintKey) -> Result<[u8; 32], Error> {
    let mut fingerprinting = Fingerprinting::new(key)?;
    let mut outflow = Outflow::open(store, medium, 0..medium.bytes(), 1).await?;
    while let Some(bytes) = outflow.next().await? {
        fingerprinting.update(&bytes)?;
    }
    fingerprinting.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(key: u8, pieces: &[&[u8]]) -> [u8; 32] {
        let mut fingerprinting = Fingerprinting::new(&FingerprintKey([key; 16])).unwrap();
        pieces.iter().for_each(|piece| fingerprinting.update(piece).unwrap());
        fingerprinting.finish().unwrap()
    }

    #[test]
    fn a_digest_is_of_the_content_however_it_came() {
        let content: Vec<u8> = (0..3 * SEGMENT_BYTES + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let whole = digest(1, &[&content]);
        let (front, back) = content.split_at(100_000);
        assert_eq!(digest(1, &[front, back]), whole);
        assert_eq!(digest(1, &[&[], &content[..1], &content[1..]]), whole);
        assert_ne!(digest(2, &[&content]), whole, "another owner's key");
        for at in [0, SEGMENT_BYTES, content.len() - 1] {
            let mut changed = content.clone();
            changed[at] ^= 1;
            assert_ne!(digest(1, &[&changed]), whole, "byte {at}");
        }
        assert_ne!(digest(1, &[&content[..content.len() - 1]]), whole);
    }
}
