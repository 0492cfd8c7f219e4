//! XEP-0215: STUN and TURN servers for calls, with credentials of the moment. The operator names them in `[turn]`; nobody
//! is told of changes, clients ask before each call.

use minidom::Element;
use xmpp::build::Xml;
use xmpp::error::Condition;
use xmpp::ns;
use xmpp::sasl::Hash;

use super::{Reply, Request};
use crate::accounts::Account;
use crate::clock;
use crate::config::TurnConfig;
use crate::turn::{self, Credentials, Service};

/// Answers `<services/>`, all of them or those of one type, and `<credentials/>` for one service.
///
/// # Errors
/// `service-unavailable` where no service is configured, `forbidden` for who is no user of this server (relays cost
/// their operator bandwidth), `item-not-found` for credentials of an unknown service.
pub async fn handle(request: &Request<'_>) -> Reply {
    let config = &request.host.config.turn;
    if config.services.is_empty() {
        return Err(Condition::ServiceUnavailable.into());
    }
    request.only_get()?;
    let session = request.session.ok_or(Condition::Forbidden)?;
    let user = pseudonym(&request.host.server_secret, &session.account);
    let credentials =
        config.secret.as_ref().map(|secret| turn::credentials(secret, &user, request.host.clock.now_ms(), config.ttl));
    let answer = match request.payload.name() {
        "services" => services(config, request.payload.attr("type"), credentials.as_ref()),
        "credentials" => {
            let asked = request.payload.get_child("service", ns::EXTERNAL_SERVICES).ok_or(Condition::BadRequest)?;
            let found = wanted(config, asked).ok_or(Condition::BadRequest)?;
            if found.is_empty() {
                return Err(Condition::ItemNotFound.into());
            }
            let found = found.into_iter().map(|service| described(service, credentials.as_ref()));
            Xml::new("credentials", ns::EXTERNAL_SERVICES).children(found)
        }
        _ => return Err(Condition::ServiceUnavailable.into()),
    };
    Ok(answer.to_string())
}

fn services(config: &TurnConfig, kind: Option<&str>, credentials: Option<&Credentials>) -> Xml {
    let fits = |service: &&Service| kind.is_none_or(|kind| service.kind.name() == kind);
    Xml::new("services", ns::EXTERNAL_SERVICES)
        .attr_opt("type", kind)
        .children(config.services.iter().filter(fits).map(|service| described(service, credentials)))
}

/// The services with credentials that `asked` names by host and type, and by port if it wants. None: it names none.
fn wanted<'a>(config: &'a TurnConfig, asked: &Element) -> Option<Vec<&'a Service>> {
    let (host, kind) = (asked.attr("host")?, asked.attr("type")?);
    let port = asked.attr("port").map(str::parse::<u16>).transpose().ok()?;
    let fits = |service: &&Service| {
        service.wants_credentials()
            && service.host == host
            && service.kind.name() == kind
            && port.is_none_or(|port| service.port == port)
    };
    Some(config.services.iter().filter(fits).collect())
}

fn described(service: &Service, credentials: Option<&Credentials>) -> Xml {
    let xml = Xml::bare("service")
        .attr("host", service.host.as_str())
        .attr("port", service.port.to_string())
        .attr("transport", service.transport.name())
        .attr("type", service.kind.name());
    match credentials.filter(|_| service.wants_credentials()) {
        None => xml,
        Some(Credentials { username, password, expires_ms }) => xml
            .attr("restricted", "true")
            .attr("username", username.as_str())
            .attr("password", password.as_str())
            .attr("expires", clock::xmpp_time(*expires_ms)),
    }
}

/// By this name a TURN server can hold an account to its quota, and cannot tell whose it is.
fn pseudonym(server_secret: &[u8], account: &Account) -> String {
    let input = [b"turn\0".as_slice(), &account.id.0.to_be_bytes()].concat();
    Hash::Sha256.hmac(server_secret, &input).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    fn config() -> TurnConfig {
        let uris = ["stun:turn.example.org", "turn:turn.example.org", "turn:turn.example.org:80?transport=tcp"];
        TurnConfig {
            services: uris.iter().map(|uri| uri.parse().unwrap()).collect(),
            secret: Some(Secret::new(String::from("north"))),
            ttl: Duration::from_secs(60),
        }
    }

    fn asked(attributes: &str) -> Option<usize> {
        let asked: Element = format!("<service xmlns='{}' {attributes}/>", ns::EXTERNAL_SERVICES).parse().unwrap();
        wanted(&config(), &asked).map(|found| found.len())
    }

    #[test]
    fn credentials_are_for_the_services_that_want_them() {
        assert_eq!(asked("host='turn.example.org' type='turn'"), Some(2));
        assert_eq!(asked("host='turn.example.org' type='turn' port='80'"), Some(1));
        assert_eq!(asked("host='turn.example.org' type='stun'"), Some(0));
        assert_eq!(asked("host='other.example.org' type='turn'"), Some(0));
        assert_eq!(asked("host='turn.example.org'"), None);
        assert_eq!(asked("type='turn'"), None);
        assert_eq!(asked("host='turn.example.org' type='turn' port='x'"), None);
    }

    #[test]
    fn a_type_leaves_the_others_out() {
        let made = turn::credentials(&Secret::new(String::from("north")), "u", 0, Duration::from_secs(60));
        let count = |kind| {
            let answer: Element = services(&config(), kind, Some(&made)).to_string().parse().unwrap();
            answer.children().map(|child| child.attr("password").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(count(None), [false, true, true]);
        assert_eq!(count(Some("turn")), [true, true]);
        assert_eq!(count(Some("ftp")), [] as [bool; 0]);
    }
}
