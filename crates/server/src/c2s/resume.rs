//! XEP-0198 §5: a new connection takes over a session whose old connection is gone or has not noticed yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;
use xmpp::xml::Element;

use crate::accounts::Account;
use crate::host::Host;
use crate::sessions::{Control, Outbox, Session, Sm, SmId};

/// How long the old connection's task may take to let go.
const HANDOVER: Duration = Duration::from_secs(5);

/// What `<resume/>` says. Nonsense is kept as None, to be answered in its turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    h: Option<u32>,
    id: Option<SmId>,
}

impl Request {
    pub(super) fn read(element: &Element) -> Self {
        Self::of(element.attr("h").as_deref(), element.attr("previd").as_deref())
    }

    pub(super) fn of(h: Option<&str>, previd: Option<&str>) -> Self {
        Self { h: h.and_then(|h| h.trim().parse().ok()), id: previd.and_then(SmId::parse) }
    }
}

/// A session that another connection has let go.
pub(super) struct Resumed {
    pub(super) session: Arc<Session>,
    pub(super) outbox: Outbox,
    /// How many of its stanzas the client has handled.
    pub(super) h: u32,
}

/// Takes over the session that `<resume/>` names; else the `<failed/>` to send.
pub(super) async fn resume(host: &Arc<Host>, account: &Arc<Account>, request: &Request) -> Result<Resumed, String> {
    let gone = || failed(Condition::ItemNotFound);
    let Some(h) = request.h else { return Err(failed(Condition::BadRequest)) };
    let id = request.id.ok_or_else(gone)?;
    // Another account's session is as unknown as one that never was.
    let session = host.sessions.resumable(&id).filter(|session| session.account.id == account.id).ok_or_else(gone)?;
    let (give, take) = oneshot::channel();
    session.control.put(Control::Resume(give));
    match tokio::time::timeout(HANDOVER, take).await {
        Ok(Ok(handover)) => Ok(Resumed { session, outbox: handover.outbox, h }),
        // It ended while we asked.
        _ => Err(gone()),
    }
}

/// Begins stream management for a session (XEP-0198 §3): its state, and the `<enabled/>` to say so. `longest` is the
/// client's wish for `max`, in seconds.
pub(super) fn enable(host: &Host, session: &Arc<Session>, resumable: bool, longest: Option<u64>) -> (Sm, Xml) {
    let secs_max = host.config.limits.sm_resume_secs_max;
    let resume_secs = longest.map_or(secs_max, |wanted| wanted.min(secs_max));
    let id = resumable.then(|| SmId::new(super::random_bytes()));
    let mut enabled = Xml::new("enabled", ns::SM);
    if let Some(id) = id {
        host.sessions.set_resumable(id, session);
        enabled = enabled.attr("id", id.to_string()).attr("resume", "true").attr("max", resume_secs.to_string());
    }
    (Sm::new(id, resume_secs), enabled)
}

/// `<failed/>` with a stanza error condition (XEP-0198 §3 and §5).
pub(super) fn failed(condition: Condition) -> String {
    Xml::new("failed", ns::SM).child(Xml::new(condition.as_str(), ns::STANZA_ERRORS)).to_string()
}
