//! A stream in a store, sealed in [`segments`](crate::segments). A long stream is several objects.

use blob::{Name, Reader, Store, Writer};
use bytes::{Bytes, BytesMut};

use super::limits::{VOLUME_SEGMENTS, VOLUMES_MAX};
use super::{Error, key::BackupKey};
use crate::segments::{SEGMENT_BYTES, SegmentKey, TAG_BYTES};

/// `NAME.00000`
fn volume(folder: &Name, stream: &str, number: u32) -> Result<Name, Error> {
    Ok(folder.join(&format!("{stream}.{number:05}"))?)
}

/// The end into which one writes.
pub(super) struct Sealing<'a> {
    store: &'a Store,
    folder: Name,
    stream: &'static str,
    key: SegmentKey,
    plain: BytesMut,
    segments: u64,
    volume_segments: u64,
    volumes: u32,
    open: Option<Writer>,
    bytes: u64,
}

impl<'a> Sealing<'a> {
    pub(super) fn begin(store: &'a Store, folder: &Name, stream: &'static str, key: &BackupKey) -> Result<Self, Error> {
        let key = key.stream(stream).ok_or(Error::NoRandomness)?;
        let (folder, plain) = (folder.clone(), BytesMut::with_capacity(SEGMENT_BYTES + TAG_BYTES));
        let volume_segments = VOLUME_SEGMENTS;
        Ok(Self { store, folder, stream, key, plain, segments: 0, volume_segments, volumes: 0, open: None, bytes: 0 })
    }

    /// With objects of so many segments, for tests.
    #[cfg(test)]
    pub(super) fn volumes_of(self, volume_segments: u64) -> Self {
        Self { volume_segments, ..self }
    }

    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            // Full, and not the last one: something follows.
            if self.plain.len() == SEGMENT_BYTES {
                self.seal(false).await?;
            }
            let room = SEGMENT_BYTES.saturating_sub(self.plain.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.plain.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Seals the last segment and returns how many bytes the objects have.
    pub(super) async fn finish(mut self) -> Result<u64, Error> {
        self.seal(true).await?;
        Ok(self.bytes)
    }

    async fn seal(&mut self, is_last: bool) -> Result<(), Error> {
        if self.open.is_none() {
            self.open = Some(self.store.put(&volume(&self.folder, self.stream, self.volumes)?).await?);
        }
        let mut segment = self.plain.split();
        if !self.key.seal(self.segments, is_last, &[], &mut segment) {
            return Err(Error::NoRandomness);
        }
        self.plain.reserve(SEGMENT_BYTES + TAG_BYTES);
        self.segments = self.segments.saturating_add(1);
        if let Some(writer) = &mut self.open {
            writer.write(segment.freeze()).await?;
        }
        if (is_last || self.segments.is_multiple_of(self.volume_segments))
            && let Some(writer) = self.open.take()
        {
            self.bytes = self.bytes.saturating_add(writer.finish().await?);
            self.volumes = self.volumes.saturating_add(1);
            if self.volumes > VOLUMES_MAX {
                let why = String::from("the backup is larger than 24 TiB");
                return Err(blob::Error::Io { path: self.folder.to_string(), why }.into());
            }
        }
        Ok(())
    }
}

/// The end from which one reads.
pub(super) struct Opening<'a> {
    store: &'a Store,
    folder: Name,
    stream: &'static str,
    key: SegmentKey,
    sealed: BytesMut,
    /// Opened and not read yet.
    plain: Bytes,
    segments: u64,
    volumes: u32,
    open: Option<Reader>,
    /// No further object.
    exhausted: bool,
    /// The last segment was opened.
    ended: bool,
}

impl<'a> Opening<'a> {
    pub(super) fn begin(store: &'a Store, folder: &Name, stream: &'static str, key: &BackupKey) -> Result<Self, Error> {
        Ok(Self {
            store,
            folder: folder.clone(),
            stream,
            key: key.stream(stream).ok_or(Error::NoRandomness)?,
            sealed: BytesMut::new(),
            plain: Bytes::new(),
            segments: 0,
            volumes: 0,
            open: None,
            exhausted: false,
            ended: false,
        })
    }

    /// Exactly `len` bytes; an end before them is damage.
    pub(super) async fn read(&mut self, len: usize) -> Result<Bytes, Error> {
        if self.plain.len() >= len && len > 0 {
            return Ok(self.plain.split_to(len));
        }
        let mut whole = BytesMut::new();
        while whole.len() < len {
            if self.plain.is_empty() && !self.next_segment().await? {
                return Err(self.damaged("it ends too early"));
            }
            let wanted = len.saturating_sub(whole.len()).min(self.plain.len());
            whole.extend_from_slice(&self.plain.split_to(wanted));
        }
        Ok(whole.freeze())
    }

    /// What is left, which may be at most `bytes_max`.
    pub(super) async fn rest(&mut self, bytes_max: usize) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        loop {
            whole.extend_from_slice(&std::mem::take(&mut self.plain));
            if whole.len() > bytes_max {
                return Err(self.damaged("it is too long"));
            }
            if !self.next_segment().await? {
                return Ok(whole.freeze());
            }
        }
    }

    /// Makes sure that nothing follows: neither plaintext nor objects.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        if !self.plain.is_empty() || self.next_segment().await? {
            return Err(self.damaged("something follows its end"));
        }
        Ok(())
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        let what = format!("{} {what}", self.stream);
        Error::Damaged { id: self.folder.to_string(), what }
    }

    /// False at the end.
    async fn next_segment(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        // Whether a segment is the last one shows only in what follows it.
        let full = SEGMENT_BYTES + TAG_BYTES;
        while self.sealed.len() <= full && self.fetch().await? {}
        let is_last = self.sealed.len() <= full;
        let mut segment = self.sealed.split_to(full.min(self.sealed.len()));
        if !self.key.open(self.segments, is_last, &[], &mut segment) {
            let what = format!("was changed or cut off after {} KiB", self.segments.saturating_mul(64));
            return Err(self.damaged(&what));
        }
        self.plain = segment.freeze();
        self.segments = self.segments.saturating_add(1);
        self.ended = is_last;
        Ok(true)
    }

    /// More sealed bytes; false when there are no more.
    async fn fetch(&mut self) -> Result<bool, Error> {
        loop {
            if self.exhausted {
                return Ok(false);
            }
            if let Some(reader) = &mut self.open {
                if let Some(piece) = reader.next().await? {
                    self.sealed.extend_from_slice(&piece);
                    return Ok(true);
                }
                self.open = None;
            }
            match self.store.get(&volume(&self.folder, self.stream, self.volumes)?).await? {
                Some(reader) => self.open = Some(reader),
                None => self.exhausted = true,
            }
            self.volumes = self.volumes.saturating_add(1);
        }
    }
}
