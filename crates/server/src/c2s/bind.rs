//! Resource binding (RFC 6120 §7).

use std::net::IpAddr;
use std::sync::Arc;

use jid::{FullJid, ResourcePart};
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError, StreamError};
use xmpp::ns;
use xmpp::xml::Child;

use super::negotiation::LoggedIn;
use crate::accounts::Account;
use crate::host::Host;
use crate::sessions::{NewSession, Outbox, Session, TooManySessions};

/// Makes a session for the resource asked for, or for one of the server's making.
pub(super) async fn bind(
    host: &Arc<Host>,
    logged_in: &LoggedIn,
    ip: IpAddr,
    request: &Child<'_>,
) -> Result<(Arc<Session>, Outbox), StanzaError> {
    let request = request.to_dom().map_err(|_| Condition::BadRequest)?;
    let wanted = request.get_child("resource", ns::BIND).map(minidom::Element::text).filter(|text| !text.is_empty());
    let jid = full_jid(&logged_in.account, wanted.as_deref())?;
    open_session(host, logged_in, ip, jid).await
}

/// Makes a session of that full JID.
///
/// A session that held the resource is ended with `conflict` (RFC 6120 §7.7.2.2, third choice): the client that comes
/// back knows better than the one that has not noticed yet that its connection is gone.
pub(super) async fn open_session(
    host: &Arc<Host>,
    logged_in: &LoggedIn,
    ip: IpAddr,
    jid: FullJid,
) -> Result<(Arc<Session>, Outbox), StanzaError> {
    let limits = &host.config.limits;
    let (account, device) = (logged_in.account.clone(), logged_in.device);
    let new = NewSession { jid, account, device, ip, queue_max: limits.session_queue_stanzas_max };
    let (session, outbox) = Session::new(new);
    match host.sessions.insert(&session, limits.sessions_per_account_max) {
        Ok(None) => {}
        Ok(Some(replaced)) => replace(host, &replaced).await,
        Err(TooManySessions) => {
            let error = StanzaError::with_text(Condition::ResourceConstraint, "too many devices are connected");
            return Err(error.of_type(ErrorType::Wait));
        }
    }
    Ok((session, outbox))
}

/// Ends a session whose client has come back another way. Its contacts see it go before they see the new one come.
pub(super) async fn replace(host: &Arc<Host>, replaced: &Arc<Session>) {
    replaced.end(StreamError::with_text("conflict", "replaced by a new connection"));
    crate::presence::session_gone(host, replaced).await;
}

fn full_jid(account: &Account, wanted: Option<&str>) -> Result<FullJid, StanzaError> {
    let made_up;
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => {
            made_up = super::random_id();
            &made_up
        }
    };
    // RFC 6120 §7.7.2.1
    let resource = ResourcePart::new(wanted).map_err(|_| StanzaError::new(Condition::BadRequest))?;
    Ok(account.jid.with_resource(&resource))
}

/// The payload of the answer.
pub(super) fn bound_xml(session: &Session) -> String {
    Xml::new("bind", ns::BIND).text_child("jid", session.jid.as_str()).to_string()
}
