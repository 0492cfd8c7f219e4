//! A file on its way in: bytes become sealed segments, segments become parts of the store.

use std::sync::Arc;

use blob::{Store, Writer};
use bytes::BytesMut;
use storage::uploads::{Medium, Part, PartId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, FOLDER_PART_BYTES, Fingerprinting, Media, OWN_SEGMENTS, STORE_PART_BYTES, name, outflow};
use crate::clock::Clock;
use crate::segments::{SEGMENT_BYTES, SegmentKey, TAG_BYTES};

/// The end into which one writes. Dropped, it leaves what it has not told of to be swept up.
pub struct Inflow {
    store: Store,
    clock: Clock,
    medium: Medium,
    /// What is to be hashed on the way.
    fingerprinting: Option<Fingerprinting>,
    waiting: Arc<Semaphore>,
    /// Bytes of one write.
    piece_bytes: usize,
    /// Where the next part begins in the file.
    start: u64,
    open: Option<OpenPart>,
    /// Not sealed yet.
    segment: BytesMut,
}

/// A part that is being written.
struct OpenPart {
    id: PartId,
    key: SegmentKey,
    bound: [u8; 24],
    writer: Writer,
    segments: u64,
    bytes: u32,
    /// For what it holds in memory.
    room: Option<OwnedSemaphorePermit>,
}

impl Inflow {
    /// Begins behind what the medium has.
    ///
    /// # Errors
    /// When there is no store.
    pub fn begin(
        media: &Media,
        clock: Clock,
        medium: &Medium,
        fingerprinting: Option<Fingerprinting>,
    ) -> Result<Self, Error> {
        Ok(Self {
            store: media.store()?.clone(),
            clock,
            medium: medium.clone(),
            fingerprinting,
            waiting: media.waiting.clone(),
            piece_bytes: media.segments_at_once().saturating_mul(SEGMENT_BYTES),
            start: medium.bytes(),
            open: None,
            segment: BytesMut::new(),
        })
    }

    /// Takes bytes of the file; returns the parts that were ended by it.
    ///
    /// # Errors
    /// When the store fails: what was not returned is lost.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<Vec<Part>, Error> {
        let mut ended = Vec::new();
        while !bytes.is_empty() {
            // Full, and not the last one: something follows.
            if self.segment.len() == SEGMENT_BYTES {
                ended.extend(self.next_segment().await?);
            }
            if self.segment.capacity() == 0 {
                self.segment.reserve(SEGMENT_BYTES + TAG_BYTES);
            }
            let room = SEGMENT_BYTES.saturating_sub(self.segment.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.segment.extend_from_slice(now);
            bytes = later;
        }
        Ok(ended)
    }

    /// Ends the part that was begun, if one was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_part(&mut self) -> Result<Option<Part>, Error> {
        if self.segment.is_empty() {
            return Ok(None);
        }
        self.seal(true).await?;
        let Some(open) = self.open.take() else { return Ok(None) };
        open.writer.finish().await?;
        self.start = self.start.saturating_add(open.bytes.into());
        Ok(Some(Part { id: open.id, bytes: open.bytes }))
    }

    /// The digest of the whole content, if it was hashed on the way.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn digest(&mut self) -> Result<Option<[u8; 32]>, Error> {
        self.fingerprinting.take().map(Fingerprinting::finish).transpose()
    }

    /// Seals the segment at hand; with it the part may end.
    async fn next_segment(&mut self) -> Result<Option<Part>, Error> {
        let waits = self.store.holds_in_memory();
        let part_bytes = if waits { STORE_PART_BYTES } else { FOLDER_PART_BYTES };
        let (before, segments) = self.open.as_ref().map_or((0, 0), |open| (open.bytes, open.segments));
        let is_full = before.saturating_add(SEGMENT_BYTES as u32) >= part_bytes;
        let is_short = waits && segments >= OWN_SEGMENTS as u64 && !self.take_room();
        if is_full || is_short {
            return self.end_part().await;
        }
        self.seal(false).await.map(|()| None)
    }

    /// False when memory is short: the part ends, and is written.
    fn take_room(&mut self) -> bool {
        let Some(open) = &mut self.open else { return true };
        let Ok(more) = self.waiting.clone().try_acquire_owned() else { return false };
        match &mut open.room {
            Some(room) => room.merge(more),
            room => *room = Some(more),
        }
        true
    }

    async fn seal(&mut self, is_last: bool) -> Result<(), Error> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                none.insert(OpenPart::begin(&self.store, self.clock, &self.medium, self.start, self.piece_bytes).await?)
            }
        };
        let mut segment = std::mem::take(&mut self.segment);
        if let Some(fingerprinting) = &mut self.fingerprinting {
            fingerprinting.update(&segment)?;
        }
        open.bytes = open.bytes.saturating_add(u32::try_from(segment.len()).unwrap_or(u32::MAX));
        if !open.key.seal(open.segments, is_last, &open.bound, &mut segment) {
            return Err(Error::NoRandomness);
        }
        open.segments = open.segments.saturating_add(1);
        Ok(open.writer.write(segment.freeze()).await?)
    }
}

impl OpenPart {
    async fn begin(
        store: &Store,
        clock: Clock,
        medium: &Medium,
        start: u64,
        piece_bytes: usize,
    ) -> Result<Self, Error> {
        let id = name::new_part(clock.now_ms())?;
        let key = outflow::part_key(medium, id)?;
        let writer = store.put(&name::of(medium.object, id)?).await?.in_pieces_of(piece_bytes);
        let bound = outflow::bound(medium, start);
        Ok(Self { id, key, bound, writer, segments: 0, bytes: 0, room: None })
    }
}
