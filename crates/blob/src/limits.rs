//! Every bound of this crate, with its unit.

use std::time::Duration;

/// Bytes of a name; S3 allows 1,024, a prefix included.
pub const NAME_BYTES_MAX: usize = 512;

/// Bytes of one part of a name, which is a file name in a folder.
pub const NAME_PART_BYTES_MAX: usize = 200;

/// Bytes that one read of a file returns at most.
pub const READ_BYTES: usize = 256 * 1024;

/// Bytes that one write to a file has at least, unless they are the last.
pub const GATHERED_BYTES: usize = 128 * 1024;

/// Calls that read or write a file at once, each in a thread.
pub const FILE_CALLS_MAX: usize = 8;

/// Names that wait for whoever lists.
pub const LISTED_AHEAD: usize = 64;

/// Bytes of one part of a multipart upload; a store takes 10,000 of them, 78 GiB.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts that are under way at once: with the one that fills, what a writer holds in memory.
pub const PARTS_UNDER_WAY: usize = 2;

/// Times that a request is tried again after a failure that may pass.
pub const RETRIES: usize = 6;

/// How long after the first try no other begins.
pub const RETRY_FOR: Duration = Duration::from_secs(30);

/// How long connecting may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a store may stay silent within an answer.
pub const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one request may take as a whole, a part's upload included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Age at which a half-written file belongs to nobody any more.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Characters kept of what a store says about an error.
pub const ERROR_CHARS_MAX: usize = 300;
