//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`.

use jid::{BareJid, DomainRef};

use super::failure::Failure;
use super::identity;
use super::keys::Password;
use super::limits::MESSAGE_BYTES_MAX;

/// A claim: this account, with this password. Check it with [`ScramKeys::matches`](super::ScramKeys::matches).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who the client says it is.
    pub account: BareJid,
    /// The password to check.
    pub password: Password,
}

/// Takes a PLAIN message apart. `domain` is the host the stream was opened to.
///
/// # Errors
/// `malformed-request` for broken syntax or length, `invalid-authzid` for somebody else's identity,
/// `not-authorized` for names and passwords that no account can have.
pub fn parse(message: &[u8], domain: &DomainRef) -> Result<Claim, Failure> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Failure::malformed("the message is too long"));
    }
    let text = std::str::from_utf8(message).map_err(|_| Failure::malformed("the message is not UTF-8"))?;
    let mut fields = text.split('\0');
    let (Some(authzid), Some(username), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Failure::malformed("the message is not made of three fields"));
    };
    if password.is_empty() {
        return Err(Failure::malformed("the password is empty"));
    }
    let authzid = Some(authzid).filter(|authzid| !authzid.is_empty());
    let account = identity::account(authzid, username, domain)?;
    let password =
        Password::prepare(password).map_err(|_| Failure::not_authorized("the password cannot be prepared"))?;
    Ok(Claim { account, password })
}

/// The message of a client that acts for itself.
pub fn encode(username: &str, password: &Password) -> Vec<u8> {
    [b"\0", username.as_bytes(), b"\0", password.as_bytes()].concat()
}
