//! The bounds of backups, with their units.

/// Segments of one object, after which the next one begins: 256 MiB.
pub const VOLUME_SEGMENTS: u64 = 4096;

/// Objects of one stream: 24 TiB.
pub const VOLUMES_MAX: u32 = 99_999;

/// Bytes of a frame of rows before it is closed.
pub const FRAME_BYTES: usize = 256 * 1024;

/// Bytes a frame may have, a row of the greatest size included.
pub const FRAME_BYTES_MAX: usize = storage::limits::COPY_ROW_BYTES_MAX + FRAME_BYTES;

/// Bytes of a header.
pub const HEADER_BYTES_MAX: usize = 4096;

/// Bytes of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;

/// Memory that deriving a key from a passphrase takes, in KiB (RFC 9106 §4, second choice).
pub const PASSPHRASE_MEMORY_KIB: u32 = 64 * 1024;

/// Passes over it.
pub const PASSPHRASE_PASSES: u32 = 3;

/// Memory that a header may ask for, in KiB.
pub const PASSPHRASE_MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Passes that a header may ask for.
pub const PASSPHRASE_PASSES_MAX: u32 = 64;

/// Bytes of a passphrase.
pub const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// Age in milliseconds at which a backup that was never finished is taken for abandoned.
pub const ABANDONED_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// Media whose names are held in memory while those that no backup needs are looked for, 16 bytes each.
pub const MEDIA_NAMES_MAX: usize = 50_000_000;
