//! XEP-0012: how long the server has been running, and how long ago a user was last available.
//! A query to a full JID is the client's to answer.

use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;

use super::{Reply, Request};
use crate::accounts::Account;
use crate::roster;

/// Answers for the server's domain or for an account.
///
/// # Errors
/// `forbidden` for those who may not see the account's presence, `item-not-found` when it was never available.
pub async fn handle(request: &Request<'_>) -> Reply {
    request.only_get()?;
    let Some(account) = request.account else {
        return Ok(answer(request.host.clock.now_ms(), request.host.started_ms, "").to_string());
    };
    if !may_see_presence(request, account).await? {
        return Err(Condition::Forbidden.into());
    }
    let sessions = request.host.sessions.of(account.localpart());
    if sessions.iter().any(|session| session.priority().is_some()) {
        let now_ms = request.host.clock.now_ms();
        return Ok(answer(now_ms, now_ms, "").to_string());
    }
    // The end of a session is written without being waited for.
    request.host.db.settle().await?;
    let stored = storage::accounts::by_localpart(&request.host.db, account.localpart()).await?;
    let Some(seen) = stored.and_then(|account| account.last_seen) else {
        return Err(StanzaError::with_text(Condition::ItemNotFound, "never seen"));
    };
    Ok(answer(request.host.clock.now_ms(), seen.at_ms, seen.status.as_deref().unwrap_or_default()).to_string())
}

/// Whether whoever asks is the account's owner or subscribed to its presence.
async fn may_see_presence(request: &Request<'_>, account: &Account) -> Result<bool, StanzaError> {
    Ok(account.jid == request.from.to_bare() || roster::is_subscriber(request.host, account, request.from).await?)
}

fn answer(now_ms: i64, since_ms: i64, status: &str) -> Xml {
    // A clock that was set back must not lead to a negative number.
    let seconds = now_ms.saturating_sub(since_ms).max(0) / 1000;
    Xml::new("query", ns::LAST_ACTIVITY).attr("seconds", seconds.to_string()).text(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_told_with_the_last_status() {
        assert_eq!(
            answer(903_999, 0, "Heading <Home>").to_string(),
            "<query xmlns='jabber:iq:last' seconds='903'>Heading &lt;Home&gt;</query>"
        );
    }

    #[test]
    fn a_clock_set_back_gives_zero() {
        assert_eq!(answer(1_000, 9_000, "").to_string(), "<query xmlns='jabber:iq:last' seconds='0'/>");
    }
}
