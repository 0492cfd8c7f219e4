//! XEP-0199: the server answers pings, for itself and for the account of whoever asks.

use xmpp::error::Condition;

use super::{Reply, Request};

/// Answers a ping.
///
/// # Errors
/// `service-unavailable` for the account of somebody else: an answer would tell whether it exists.
pub async fn handle(request: &Request<'_>) -> Reply {
    request.only_get()?;
    if request.account.is_some() {
        request.own_session().map_err(|_| Condition::ServiceUnavailable)?;
    }
    Ok(String::new())
}
