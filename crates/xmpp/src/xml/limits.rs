//! The bounds a scanner holds its peer to.

/// What one peer may make the scanner keep. All bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stanza, or of the stream header, from `<` to `>`.
    pub stanza_bytes_max: usize,
    /// Elements open at once within a stanza; the stanza itself is the first.
    pub depth_max: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes_max: usize,
    /// Namespace prefixes in scope at once, those of the stream header included.
    pub declarations_max: usize,
}

impl Limits {
    /// For XML of our own making: stanzas the server built, or checked before it stored them.
    ///
    /// Depth stays bounded because trees are dropped recursively.
    pub const TRUSTED: Self =
        Self { stanza_bytes_max: u32::MAX as usize, depth_max: 1024, attributes_max: 4096, declarations_max: 4096 };

    /// The most bytes a frame may have; positions within a frame are 32 bits wide.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.stanza_bytes_max.min(u32::MAX as usize)
    }
}
