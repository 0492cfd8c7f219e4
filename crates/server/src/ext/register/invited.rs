//! XEP-0445: an invitation's token before registration.

use std::net::IpAddr;
use std::sync::Arc;

use jid::NodePart;
use storage::invites::Invite;
use xmpp::error::{Condition, StanzaError};
use xmpp::sasl::Password;
use xmpp::stanza::{IqType, Kind};

use crate::admin::{Error, invites};
use crate::c2s::guessing::{Attempt, Secret};
use crate::ext::Reply;
use crate::host::Host;

/// A client shows a token. From here on its stream may register, even if the invitation ends meanwhile (XEP-0445 §4).
///
/// # Errors
/// `item-not-found` for a token that is unknown, used up or expired, or not for registering; `resource-constraint` when
/// too many were tried.
pub(super) async fn show(
    host: &Host,
    ip: IpAddr,
    kind: Kind,
    token: Option<&str>,
    invite: &mut Option<Invite>,
) -> Reply {
    if !host.config.registration.invites {
        return Err(Condition::ServiceUnavailable.into());
    }
    if kind != Kind::Iq(IqType::Set) {
        return Err(Condition::BadRequest.into());
    }
    let token = token.ok_or(Condition::BadRequest)?;
    let now_ms = host.clock.now_ms();
    let attempt = Attempt { ip, localpart: "", secret: Secret::Token };
    if host.guessing.check(&attempt, now_ms).is_err() {
        let text = "too many attempts from this address: wait a minute";
        return Err(StanzaError::with_text(Condition::ResourceConstraint, text));
    }
    match invites::open(host, token).await?.filter(|invite| invite.registers) {
        Some(found) => {
            *invite = Some(found);
            Ok(String::new())
        }
        None => {
            host.guessing.failed(&attempt, now_ms);
            *invite = None;
            Err(StanzaError::with_text(Condition::ItemNotFound, "the token is unknown, used up or expired"))
        }
    }
}

/// Creates the account, and connects it with who invited.
///
/// # Errors
/// `conflict` for a name that is taken, `not-acceptable` for another one than the reserved, `item-not-found` when
/// somebody else has used the invitation meanwhile.
pub(super) async fn register(
    host: &Arc<Host>,
    ip: IpAddr,
    invite: &Invite,
    localpart: &NodePart,
    password: Password,
) -> Result<(), StanzaError> {
    match invites::register(host, ip, invite, localpart, password).await {
        Err(Error::Unusable(_)) => {
            Err(StanzaError::with_text(Condition::NotAcceptable, "another username is reserved for this invitation"))
        }
        Err(Error::Missing(_)) => {
            Err(StanzaError::with_text(Condition::ItemNotFound, "the invitation was used up meanwhile"))
        }
        done => Ok(done?),
    }
}
