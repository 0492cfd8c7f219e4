//! Every bound of the crate. None is configurable: a client that needs other numbers changes them here.
//!
//! Sources: XEP-0384 "Double Ratchet" (`MAX_SKIP`) and "Key Exchange" (numbers and ages of prekeys); where they are
//! silent, many times what honest peers need.

/// Most message keys that one message may skip in one chain. XEP-0384 recommends about 1000.
pub const SKIPPED_PER_MESSAGE_MAX: u32 = 1000;

/// Most skipped message keys that one session keeps; the oldest go first. XEP-0384 recommends 1000.
pub const SKIPPED_PER_SESSION_MAX: usize = 1000;

/// Most skipped message keys that all sessions with one device keep together.
pub const SKIPPED_PER_PEER_MAX: usize = 2000;

/// Sessions kept with one device; the longest unused go first.
pub const SESSIONS_PER_PEER_MAX: usize = 8;

/// Receiving chains of a session that are over and remembered, so that what they carried is known as a repetition.
/// Skipped keys of a chain go when it is forgotten.
pub const PAST_CHAINS_MAX: usize = 64;

/// One-time prekeys in a fresh bundle (XEP-0384: around 100).
pub const PREKEYS: usize = 100;

/// When fewer one-time prekeys than this are left, the bundle must be refilled (XEP-0384: never below 25).
pub const PREKEYS_MIN: usize = 50;

/// Used one-time prekeys whose private half is kept during a catch-up; the oldest go first.
pub const USED_PREKEYS_MAX: usize = 100;

/// One-time prekeys that are read from somebody's bundle; what is beyond is ignored.
pub const BUNDLE_PREKEYS_MAX: usize = 1000;

/// How long a signed prekey is used before [`Device::rotate_signed_prekey`](crate::Device::rotate_signed_prekey) is
/// due, in seconds: one week, the quickest that XEP-0384 asks for. Its predecessor is kept for one more period.
pub const SIGNED_PREKEY_SECS: u64 = 7 * 24 * 3600;

/// From this counter on, the first message of a chain asks for a heartbeat (XEP-0384 "Business Rules").
pub const HEARTBEAT_COUNTER: u32 = 53;

/// Largest encrypted key (ratchet message or key exchange) that is read, in bytes; honest ones take about 250.
pub const ENCRYPTED_KEY_BYTES_MAX: usize = 2048;

/// Most protobuf fields that are read in one message, the unknown ones included.
pub const PROTOBUF_FIELDS_MAX: usize = 32;

/// Largest plaintext of a payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Largest saved state that is read, in bytes: more than a peer with every bound reached takes.
pub const STATE_BYTES_MAX: usize = 256 * 1024;
