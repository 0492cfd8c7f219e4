//! How SASL messages travel inside XML: base64, with `=` for an empty one (RFC 6120 §6.4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::failure::{Condition, Failure};
use super::limits::MESSAGE_BYTES_MAX;

/// The bytes of an `<auth/>`, `<challenge/>`, `<response/>` or `<success/>`.
///
/// # Errors
/// `incorrect-encoding` for anything but padded base64 without white space, `malformed-request` for
/// more than [`MESSAGE_BYTES_MAX`] bytes.
pub fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    if text == "=" {
        return Ok(Vec::new());
    }
    if text.len() > MESSAGE_BYTES_MAX.div_ceil(3) * 4 {
        return Err(Failure::malformed("the message is too long"));
    }
    let message =
        STANDARD.decode(text).map_err(|_| Failure::new(Condition::IncorrectEncoding, "the message is not base64"))?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Failure::malformed("the message is too long"));
    }
    Ok(message)
}

/// The text of an initial response or of additional data; the empty message becomes `=`.
pub fn encode(message: &[u8]) -> String {
    if message.is_empty() { "=".to_owned() } else { STANDARD.encode(message) }
}
