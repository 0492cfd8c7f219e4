//! XEP-0198 §5: a new connection takes over a session whose old connection is gone or has not noticed yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;
use xmpp::xml::Element;

use super::negotiation::Established;
use crate::accounts::Account;
use crate::host::Host;
use crate::sessions::{Control, SmId};

/// How long the old connection's task may take to let go.
const HANDOVER: Duration = Duration::from_secs(5);

/// Takes over the session that `<resume/>` names; else the `<failed/>` to send.
pub(super) async fn resume(host: &Arc<Host>, account: &Arc<Account>, request: &Element) -> Result<Established, String> {
    let h = request.attr("h").and_then(|h| h.trim().parse::<u32>().ok());
    let id = request.attr("previd").and_then(|id| SmId::parse(&id));
    let gone = || failed(Condition::ItemNotFound);
    let Some(h) = h else { return Err(failed(Condition::BadRequest)) };
    let id = id.ok_or_else(gone)?;
    // Another account's session is as unknown as one that never was.
    let session = host.sessions.resumable(&id).filter(|session| session.account.id == account.id).ok_or_else(gone)?;
    let (give, take) = oneshot::channel();
    session.control.put(Control::Resume(give));
    match tokio::time::timeout(HANDOVER, take).await {
        Ok(Ok(handover)) => Ok(Established { session, outbox: handover.outbox, resumed: Some(h) }),
        // It ended while we asked.
        _ => Err(gone()),
    }
}

/// `<failed/>` with a stanza error condition (XEP-0198 §3 and §5).
pub(super) fn failed(condition: Condition) -> String {
    Xml::new("failed", ns::SM).child(Xml::new(condition.as_str(), ns::STANZA_ERRORS)).to_string()
}
