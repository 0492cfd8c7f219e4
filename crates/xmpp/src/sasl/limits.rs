//! The bounds of SASL messages: what a stranger may send before being known.

/// Longest decoded SASL message in bytes. Two escaped JID parts and a channel binding fit.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Longest username in bytes: the limit of a JID's localpart (RFC 7622 §3.3.1).
pub const USERNAME_BYTES_MAX: usize = 1023;

/// Longest authorization identity in bytes: a bare JID, two parts of 1023 bytes and the `@`.
pub const AUTHZID_BYTES_MAX: usize = 2047;

/// Longest password in bytes, before and after its preparation.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Longest nonce in bytes that a client may choose.
pub const CLIENT_NONCE_BYTES_MAX: usize = 256;

/// Fewest PBKDF2 iterations a client accepts (RFC 7677 §4): fewer would sell the password cheaply.
pub const ITERATIONS_MIN: u32 = 4096;

/// Most PBKDF2 iterations a client accepts: more is a way to keep it busy.
pub const ITERATIONS_MAX: u32 = 2_000_000;

/// Iterations for newly set passwords, unless configured otherwise.
pub const ITERATIONS_DEFAULT: u32 = 10_000;

/// Bytes of randomness in a nonce; 24 characters on the wire.
pub const NONCE_BYTES: usize = 18;

/// Bytes of salt for newly set passwords, and of the salts made up for unknown accounts.
pub const SALT_BYTES: usize = 16;

/// Longest name of a client's software, and of its device, in bytes; more is cut off (XEP-0388).
pub const USER_AGENT_TEXT_BYTES_MAX: usize = 100;
