//! Positions within one frame.

use std::ops::Range;

/// A range of bytes, counted from the first byte of its frame. Frames are shorter than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: position(start), end: position(end) }
    }

    pub(super) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) const fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(super) const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// The bytes it covers; none when `frame` is not the frame it was made for.
    pub(super) fn of(self, frame: &[u8]) -> &[u8] {
        frame.get(self.range()).unwrap_or_default()
    }

    /// The text it covers; empty when that is not UTF-8, which no checked span can be.
    pub(super) fn text(self, frame: &[u8]) -> &str {
        std::str::from_utf8(self.of(frame)).unwrap_or_default()
    }
}

/// A position as 32 bits. [`Limits`](super::Limits) keep frames below that size.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
