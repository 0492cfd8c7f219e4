//! A file on its way out, from any byte to any other: only the segments that hold them are read and opened.

use std::ops::Range;

use aws_lc_rs::hkdf;
use blob::{Reader, Store};
use bytes::{Bytes, BytesMut};
use storage::uploads::{Medium, Part, PartId};

use super::{Error, name, sealed_bytes};
use crate::segments::{SEGMENT_BYTES, SegmentKey, TAG_BYTES};

/// Bytes of a sealed segment that is not cut short.
const SEALED_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;

/// The key of a part: no two have the same, however often one was begun.
pub(super) fn part_key(medium: &Medium, part: PartId) -> Result<SegmentKey, Error> {
    let mut key = [0; 32];
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"whimbrel medium").extract(&medium.key);
    let info = [&part.0[..]];
    let filled = derived.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
    filled.ok().and_then(|()| SegmentKey::new(&key)).ok_or(Error::NoRandomness)
}

/// What a part is bound to: its medium, and its place there.
pub(super) fn bound(medium: &Medium, start: u64) -> [u8; 24] {
    let mut bound = [0; 24];
    bound.iter_mut().zip(medium.object.0.into_iter().chain(start.to_be_bytes())).for_each(|(to, from)| *to = from);
    bound
}

/// The end from which one reads.
pub struct Outflow {
    store: Store,
    medium: Medium,
    /// Parts that were not begun, and where the first of them begins.
    parts: std::vec::IntoIter<Part>,
    start: u64,
    wanted: Range<u64>,
    piece_bytes: usize,
    open: Option<OpenPart>,
}

/// A part that is being read.
struct OpenPart {
    key: SegmentKey,
    bound: [u8; 24],
    reader: Reader,
    sealed: BytesMut,
    /// Number of the next segment and where it begins in the file.
    segment: u64,
    at: u64,
    /// Number of the last one.
    last: u64,
}

impl Outflow {
    /// Reads bytes of a medium, so many segments at a time; its first part is asked for at once, so that a store that is
    /// down is noticed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn open(store: &Store, medium: &Medium, wanted: Range<u64>, at_once: usize) -> Result<Self, Error> {
        let parts = medium.parts.clone().into_iter();
        let piece_bytes = at_once.saturating_mul(SEALED_BYTES);
        let (store, medium) = (store.clone(), medium.clone());
        let mut outflow = Self { store, medium, parts, start: 0, wanted, piece_bytes, open: None };
        outflow.next_part().await?;
        Ok(outflow)
    }

    /// The next bytes, at least one; `None` at the end.
    ///
    /// # Errors
    /// When the rest cannot be read, or is not what was written.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            if open.segment > open.last || open.at >= self.wanted.end {
                self.next_part().await?;
                continue;
            }
            let (at, plain) = (open.at, open.next_segment().await?);
            let skip = usize::try_from(self.wanted.start.saturating_sub(at)).unwrap_or(usize::MAX);
            let end = usize::try_from(self.wanted.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let end = end.min(plain.len());
            if skip < end {
                return Ok(Some(plain.slice(skip..end)));
            }
        }
    }

    /// Opens the next part that has something wanted.
    async fn next_part(&mut self) -> Result<(), Error> {
        self.open = None;
        for part in self.parts.by_ref() {
            let (start, bytes) = (self.start, u64::from(part.bytes));
            self.start = start.saturating_add(bytes);
            if self.start <= self.wanted.start {
                continue;
            }
            if start >= self.wanted.end {
                break;
            }
            let segment = SEGMENT_BYTES as u64;
            let first = self.wanted.start.saturating_sub(start) / segment;
            let behind = self.wanted.end.saturating_sub(start).min(bytes).div_ceil(segment);
            let sealed = sealed_bytes(bytes);
            let from = first.saturating_mul(SEALED_BYTES as u64);
            let to = behind.saturating_mul(SEALED_BYTES as u64).min(sealed);
            let name = name::of(self.medium.object, part.id)?;
            let reader = match (from, to) {
                (0, to) if to == sealed => self.store.get(&name).await?,
                (from, to) => self.store.get_range(&name, from, to).await?,
            };
            let reader = reader.ok_or(Error::Missing)?;
            if reader.object_bytes() != sealed {
                return Err(Error::Damaged);
            }
            self.open = Some(OpenPart {
                key: part_key(&self.medium, part.id)?,
                bound: bound(&self.medium, start),
                reader: reader.in_pieces_of(self.piece_bytes),
                sealed: BytesMut::new(),
                segment: first,
                at: start.saturating_add(first.saturating_mul(segment)),
                last: bytes.div_ceil(segment).saturating_sub(1),
            });
            break;
        }
        Ok(())
    }
}

impl OpenPart {
    async fn next_segment(&mut self) -> Result<Bytes, Error> {
        while self.sealed.len() < SEALED_BYTES {
            let Some(piece) = self.reader.next().await? else { break };
            if self.sealed.is_empty() {
                // Nobody else has it: it is opened where it lies.
                self.sealed = piece.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
            } else {
                self.sealed.extend_from_slice(&piece);
            }
        }
        let mut segment = self.sealed.split_to(SEALED_BYTES.min(self.sealed.len()));
        if !self.key.open(self.segment, self.segment == self.last, &self.bound, &mut segment) {
            return Err(Error::Damaged);
        }
        self.segment = self.segment.saturating_add(1);
        self.at = self.at.saturating_add(segment.len() as u64);
        Ok(segment.freeze())
    }
}
