//! XEP-0494: the owner of an account sees which devices have access to it, and takes it away.

use storage::DeviceId;
use storage::devices::{self, Device};
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;

use super::{Reply, Request};
use crate::{clock, devices as access};

/// Answers `<list/>` and `<revoke/>`.
///
/// # Errors
/// `forbidden` for another's account, `item-not-found` for a device that is not there, `service-unavailable` with
/// `password-reset-required` when the device was shut out and may come back with the password it knows.
pub async fn handle(request: &Request<'_>) -> Reply {
    let account = &request.own_session()?.account;
    let host = request.host;
    match (request.payload.name(), request.set) {
        ("list", false) => {
            let listed = devices::list(&host.db, account.id, host.clock.now_ms()).await?;
            let clients =
                listed.iter().map(|device| client(device, access::is_connected(host, account.localpart(), device.id)));
            Ok(Xml::new("clients", ns::CLIENT_ACCESS).children(clients).to_string())
        }
        ("revoke", true) => {
            let id = request.payload.attr("id").ok_or(Condition::BadRequest)?;
            let id = DeviceId::parse(id).ok_or(Condition::ItemNotFound)?;
            let device = access::revoke(host, account, id).await?.ok_or(Condition::ItemNotFound)?;
            if device.by_password {
                let error = StanzaError::with_text(Condition::ServiceUnavailable, "the device knows the password");
                return Err(error.with_application("password-reset-required", ns::CLIENT_ACCESS));
            }
            Ok(String::new())
        }
        _ => Err(Condition::BadRequest.into()),
    }
}

fn client(device: &Device, connected: bool) -> Xml {
    let auth = Xml::bare("auth")
        .child_opt(device.by_password.then(|| Xml::bare("password")))
        .child_opt(device.has_token.then(|| Xml::bare("fast")));
    let agent = Xml::bare("user-agent")
        .child_opt(device.software.as_ref().map(|software| Xml::bare("software").text(software)))
        .child_opt(device.name.as_ref().map(|name| Xml::bare("device").text(name)));
    Xml::bare("client")
        .attr("connected", if connected { "true" } else { "false" })
        .attr("id", device.id.to_string())
        .attr("type", "session")
        .text_child("first-seen", clock::xmpp_time(device.first_seen_ms))
        .text_child("last-seen", clock::xmpp_time(device.last_seen_ms))
        .child(auth)
        .child(Xml::bare("permission").attr("status", "unrestricted"))
        .child(agent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_shown_with_all_that_is_known_of_it() {
        let device = Device {
            id: DeviceId::from_bytes([0, 0, 0, 0, 0, 0, 0, 7]),
            software: Some("Bird".into()),
            name: None,
            by_password: false,
            has_token: true,
            first_seen_ms: 1_082_246_400_000,
            last_seen_ms: 1_082_246_400_000,
        };
        assert_eq!(
            client(&device, true).to_string(),
            "<client connected='true' id='0000000000000007' type='session'>\
             <first-seen>2004-04-18T00:00:00.000Z</first-seen><last-seen>2004-04-18T00:00:00.000Z</last-seen>\
             <auth><fast/></auth><permission status='unrestricted'/>\
             <user-agent><software>Bird</software></user-agent></client>"
        );
    }
}
