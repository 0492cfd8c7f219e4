//! From the names inside a SASL message to the account they claim.

use jid::{BareJid, DomainRef};

use super::failure::{Condition, Failure};
use super::limits::{AUTHZID_BYTES_MAX, USERNAME_BYTES_MAX};
use crate::address;

/// The account that `username` names on `domain`, provided the authorization identity is absent or the
/// same account (RFC 6120 §6.3.8: nobody acts for somebody else here).
pub(super) fn account(authzid: Option<&str>, username: &str, domain: &DomainRef) -> Result<BareJid, Failure> {
    if username.is_empty() {
        return Err(Failure::malformed("the username is empty"));
    }
    if username.len() > USERNAME_BYTES_MAX {
        return Err(Failure::malformed("the username is too long"));
    }
    // A name that cannot be a localpart belongs to nobody, and saying so early reveals nothing.
    let localpart =
        address::localpart(username).ok_or(Failure::not_authorized("the username cannot be a localpart"))?;
    let account = BareJid::from_parts(Some(&localpart), domain);

    let Some(authzid) = authzid else { return Ok(account) };
    if authzid.len() > AUTHZID_BYTES_MAX {
        return Err(Failure::malformed("the authorization identity is too long"));
    }
    match BareJid::new(authzid) {
        Ok(wanted) if wanted == account => Ok(account),
        _ => Err(Failure::new(Condition::InvalidAuthzid, "the authorization identity is not the account's own")),
    }
}
