//! XEP-0202: the server's time. Its time zone is nobody's business: it lives in UTC.

use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;

use super::{Reply, Request};
use crate::clock;

/// Answers with the present time.
///
/// # Errors
/// `service-unavailable` for the account of somebody else: an answer would tell whether it exists.
pub async fn handle(request: &Request<'_>) -> Reply {
    request.only_get()?;
    if request.account.is_some() {
        request.own_session().map_err(|_| Condition::ServiceUnavailable)?;
    }
    Ok(answer(request.host.clock.now_ms()).to_string())
}

fn answer(now_ms: i64) -> Xml {
    Xml::new("time", ns::TIME).text_child("tzo", "+00:00").text_child("utc", clock::xmpp_time(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_in_utc() {
        assert_eq!(
            answer(1_082_246_400_250).to_string(),
            "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2004-04-18T00:00:00.250Z</utc></time>"
        );
    }
}
