//! XEP-0386: a resource of the server's making, with carbons, stream management and client state as asked, and where
//! the archive stands at that moment.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::{FullJid, ResourcePart};
use storage::{archive, undelivered};
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;

use super::request::Bind;
use crate::accounts::Account;
use crate::c2s::negotiation::LoggedIn;
use crate::c2s::{bind, random_id, resume};
use crate::ext::mam;
use crate::host::Host;
use crate::sessions::{Outbox, Session};

/// Binds a resource: the session with its outbox, and the `<bound/>` that tells of it.
///
/// # Errors
/// When there are too many sessions, or the archive cannot be read.
pub(super) async fn bind(
    host: &Arc<Host>,
    logged_in: &LoggedIn,
    ip: IpAddr,
    wanted: &Bind,
) -> Result<(Arc<Session>, Outbox, Xml), StanzaError> {
    end_earlier(host, logged_in).await;
    let jid = full_jid(logged_in, wanted.tag.as_deref())?;
    let (session, mut outbox) = bind::open_session(host, logged_in, ip, jid).await?;
    session.carbons.store(wanted.carbons, Ordering::Relaxed);
    if wanted.inactive {
        outbox.held.get_or_insert_default();
    }
    let enabled = wanted.sm.map(|enable| {
        let (sm, enabled) = resume::enable(host, &session, enable.resume, enable.max);
        *session.sm.lock() = Some(sm);
        session.counting.store(true, Ordering::Release);
        enabled
    });
    // Read after the session is there: what comes in between is known twice under one id, never missed.
    let ends = match archive_ends(host, &logged_in.account).await {
        Ok(ends) => ends,
        Err(error) => {
            host.sessions.remove(&session);
            return Err(error.into());
        }
    };
    let bound = Xml::new("bound", ns::BIND2).child(mam::metadata_xml(ends)).child_opt(enabled);
    Ok((session, outbox, bound))
}

/// The ends of the archive. The client reads the archive up to there by itself, so that these messages need not be
/// delivered any more; those that are not archived still are.
async fn archive_ends(
    host: &Host,
    account: &Account,
) -> Result<Option<(storage::ArchiveId, storage::ArchiveId)>, storage::Error> {
    let ends = archive::metadata(&host.db, account.id).await?;
    if let Some((_, last)) = ends {
        undelivered::clear_archived(&host.db, account.id, last).await?;
        account.mailbox_is_emptied();
    }
    Ok(ends)
}

/// XEP-0386 §3.2: one device has one session; an earlier one is of a connection that it has lost.
async fn end_earlier(host: &Arc<Host>, logged_in: &LoggedIn) {
    let Some(device) = logged_in.device else { return };
    for earlier in host.sessions.of(logged_in.account.localpart()) {
        if earlier.device == Some(device) {
            host.sessions.remove(&earlier);
            bind::replace(host, &earlier).await;
        }
    }
}

/// XEP-0386 §3.3: the client's tag, and a part that is the same each time a device comes, and new where there is none.
/// A tag that cannot be part of a resource is left out.
fn full_jid(logged_in: &LoggedIn, tag: Option<&str>) -> Result<FullJid, StanzaError> {
    let own = logged_in.device.map_or_else(random_id, |device| device.to_string());
    let tagged = tag.map(|tag| format!("{tag}/{own}"));
    let resource = match tagged.as_deref().map(ResourcePart::new) {
        Some(Ok(resource)) => resource,
        _ => ResourcePart::new(&own).map_err(|_| Condition::InternalServerError)?,
    };
    Ok(logged_in.account.jid.with_resource(&resource))
}
