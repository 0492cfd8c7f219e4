//! What a slot's URL is made of: `/upload/TOKEN/FILE?slot=GRANT`. The token names the upload; whoever also has the
//! grant may write it. A grant says how many bytes of which type, under a key of the deployment: a forged one costs no
//! look into the database.

use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storage::uploads::Described;

use super::{Error, percent_encoded};
use crate::host::Host;

/// Where uploads are.
pub const PATH: &str = "/upload";

/// Random bytes of a token.
const TOKEN_BYTES: usize = 24;
/// Characters of one.
const TOKEN_CHARS: usize = 32;
/// Bytes of a grant's code.
const CODE_BYTES: usize = 16;
/// Bytes of a media type.
pub const CONTENT_TYPE_BYTES_MAX: usize = 127;

/// A token that nobody guesses.
///
/// # Errors
/// When there are no random bytes.
pub fn new_token() -> Result<String, Error> {
    let mut random = [0; TOKEN_BYTES];
    rand::fill(&mut random).map_err(|_| Error::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// Whether a text can be a token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Where a file is read.
#[must_use]
pub fn get_url(host: &Host, described: &Described) -> String {
    let file_name = percent_encoded(&described.file_name);
    host.config.http.public_url.join(&format!("{PATH}/{}/{file_name}", described.token))
}

/// Where it is written.
///
/// # Errors
/// When the key cannot be derived.
pub fn put_url(host: &Host, described: &Described) -> Result<String, Error> {
    let terms = Terms { bytes: described.bytes, content_type: described.content_type.clone() };
    Ok(format!("{}?slot={}", get_url(host, described), terms.granted(&key(host)?, &described.token)))
}

/// What a grant allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The size of the file.
    pub bytes: u64,
    /// Its media type; empty if none was said.
    pub content_type: String,
}

impl Terms {
    /// Reads a grant; `None` if it is forged.
    ///
    /// # Errors
    /// When the key cannot be derived.
    pub fn read(host: &Host, token: &str, grant: &str) -> Result<Option<Self>, Error> {
        Ok(Self::of_grant(&key(host)?, token, grant))
    }

    fn granted(&self, key: &hmac::Key, token: &str) -> String {
        let content = [&self.bytes.to_be_bytes()[..], self.content_type.as_bytes()].concat();
        let code = code(key, token, &content);
        URL_SAFE_NO_PAD.encode([&code[..], &content].concat())
    }

    fn of_grant(key: &hmac::Key, token: &str, grant: &str) -> Option<Self> {
        if grant.len() > (CODE_BYTES + 8 + CONTENT_TYPE_BYTES_MAX) * 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(grant).ok()?;
        let (given, content) = bytes.split_at_checked(CODE_BYTES)?;
        constant_time::verify_slices_are_equal(given, &code(key, token, content)).ok()?;
        let (bytes, content_type) = content.split_first_chunk()?;
        let content_type = String::from_utf8(content_type.to_vec()).ok()?;
        Some(Self { bytes: u64::from_be_bytes(*bytes), content_type })
    }
}

fn key(host: &Host) -> Result<hmac::Key, Error> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &host.db.secret("upload slots")?))
}

/// Tokens have one length, so what follows is told apart.
fn code(key: &hmac::Key, token: &str, content: &[u8]) -> [u8; CODE_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(token.as_bytes());
    context.update(content);
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_holds_for_its_token_size_and_type() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let token = new_token().unwrap();
        assert!(is_token(&token) && !is_token("..") && !is_token(&"é".repeat(16)));
        let terms = Terms { bytes: 70_000, content_type: "image/png".into() };
        let grant = terms.granted(&key, &token);
        assert_eq!(Terms::of_grant(&key, &token, &grant), Some(terms.clone()));
        assert_eq!(Terms::of_grant(&key, &new_token().unwrap(), &grant), None);
        assert_eq!(Terms::of_grant(&hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]), &token, &grant), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&grant).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(Terms::of_grant(&key, &token, &URL_SAFE_NO_PAD.encode(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
        for other in ["", "a", "=", &"A".repeat(5_000)] {
            assert_eq!(Terms::of_grant(&key, &token, other), None);
        }
    }
}
