//! Streams sealed in segments of 64 KiB, for backups and media: each segment is AES-256-GCM with a nonce that counts them
//! and says which is the last, so that none can be changed, lost, doubled, moved or cut off unnoticed, and any can be
//! opened without those before it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::BytesMut;

/// Bytes of plaintext that are sealed together.
pub const SEGMENT_BYTES: usize = 64 * 1024;

/// Bytes by which a sealed segment is longer.
pub const TAG_BYTES: usize = 16;

/// The key of one stream: no two streams may have the same.
pub(crate) struct SegmentKey(LessSafeKey);

impl SegmentKey {
    /// A key of these bytes; `None` only if the cipher refuses it.
    pub(crate) fn new(key: &[u8; 32]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Seals a segment in place; `bound` is what it belongs to. False, and the segment is unusable, if the cipher
    /// fails.
    #[must_use]
    pub(crate) fn seal(&self, number: u64, is_last: bool, bound: &[u8], segment: &mut BytesMut) -> bool {
        self.0.seal_in_place_append_tag(nonce(number, is_last), Aad::from(bound), segment).is_ok()
    }

    /// Opens a segment in place; false if it is not what was sealed there.
    #[must_use]
    pub(crate) fn open(&self, number: u64, is_last: bool, bound: &[u8], segment: &mut BytesMut) -> bool {
        let opened = self.0.open_in_place(nonce(number, is_last), Aad::from(bound), segment);
        let plain = opened.map(|plain| plain.len());
        plain.map(|plain| segment.truncate(plain)).is_ok()
    }
}

/// Segment number, then whether it is the last one.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let (front, last) = nonce.split_at_mut(NONCE_LEN - 1);
    front.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    last.fill(u8::from(is_last));
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_opens_only_at_its_place() {
        let key = SegmentKey::new(&[1; 32]).unwrap();
        let mut sealed = BytesMut::from(&b"hello"[..]);
        assert!(key.seal(3, false, b"a", &mut sealed));
        assert_eq!(sealed.len(), 5 + TAG_BYTES);
        let opened = |number, is_last, bound: &[u8]| {
            let mut segment = sealed.clone();
            key.open(number, is_last, bound, &mut segment).then_some(segment)
        };
        assert_eq!(opened(3, false, b"a").unwrap(), "hello");
        for (number, is_last, bound) in [(4, false, b"a"), (3, true, b"a"), (3, false, b"b")] {
            assert!(opened(number, is_last, bound).is_none());
        }
        assert!(!key.open(3, false, b"a", &mut BytesMut::from(&b"short"[..])));
    }
}
