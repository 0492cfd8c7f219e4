//! Who is at the other end of a request: the client's address and whether it speaks TLS, through reverse proxies that
//! `[http] trusted_proxies` lists. What anybody else says about itself is not believed.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use xmpp::sasl::ChannelBindings;

use super::listener::{Arrival, Scheme};
use crate::config::HttpConfig;
use crate::host::Host;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client of a request; an extractor.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its address.
    pub ip: IpAddr,
    /// Whether its connection is encrypted, to us or to a trusted proxy.
    pub is_encrypted: bool,
    /// What SASL can be bound to; empty behind a proxy, where the client sees another TLS connection than we do.
    pub bindings: Arc<ChannelBindings>,
}

impl Caller {
    fn of(arrival: &Arrival, headers: &HeaderMap, config: &HttpConfig) -> Self {
        let direct = arrival.scheme == Scheme::Https;
        if !config.is_trusted_proxy(arrival.peer.ip()) {
            return Self { ip: arrival.peer.ip(), is_encrypted: direct, bindings: arrival.bindings.clone() };
        }
        // Each proxy adds the address it saw: the last one that is no proxy of ours is the client.
        let named: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        let hops = named.iter().flat_map(|value| value.split(',')).map(|hop| hop.trim().parse::<IpAddr>());
        let hops: Vec<IpAddr> = hops.map_while(Result::ok).collect();
        let client = hops.iter().rev().find(|ip| !config.is_trusted_proxy(**ip)).or(hops.first()).copied();
        let proto = headers.get(FORWARDED_PROTO).and_then(|proto| proto.to_str().ok());
        let is_proxied = client.is_some() || proto.is_some();
        Self {
            ip: client.unwrap_or(arrival.peer.ip()),
            is_encrypted: proto.map_or(direct, |proto| proto.trim().eq_ignore_ascii_case("https")),
            bindings: if is_proxied { Arc::default() } else { arrival.bindings.clone() },
        }
    }
}

impl FromRequestParts<Arc<Host>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Infallible> {
        let nobody = Arrival::nobody();
        let arrival = parts.extensions.get::<Arrival>().unwrap_or(&nobody);
        Ok(Self::of(arrival, &parts.headers, &host.config.http))
    }
}

impl Arrival {
    /// For a request that came by no listener.
    fn nobody() -> Self {
        Self { peer: (Ipv4Addr::UNSPECIFIED, 0).into(), scheme: Scheme::Http, bindings: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn seen(peer: &str, fields: &[(&'static str, &str)]) -> (String, bool) {
        let text = "[server]\ndomain = \"localhost\"\n[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";
        let config = Config::from_text(text, Path::new("whimbrel.toml"), &[]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let arrival = Arrival {
            peer: (peer.parse::<IpAddr>().unwrap(), 1).into(),
            scheme: Scheme::Http,
            bindings: Arc::default(),
        };
        let caller = Caller::of(&arrival, &headers, &config.http);
        (caller.ip.to_string(), caller.is_encrypted)
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_nobody_else() {
        let claims = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("127.0.0.1", &claims), ("192.0.2.7".to_owned(), true));
        assert_eq!(seen("::ffff:10.1.2.3", &claims), ("192.0.2.7".to_owned(), true));
        assert_eq!(seen("198.51.100.1", &claims), ("198.51.100.1".to_owned(), false));
        assert_eq!(seen("127.0.0.1", &[]), ("127.0.0.1".to_owned(), false));
    }

    #[test]
    fn what_a_client_says_before_the_first_proxy_does_not_count() {
        let forged = [("x-forwarded-for", "203.0.113.9, 192.0.2.7"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(seen("127.0.0.1", &forged).0, "192.0.2.7");
        assert_eq!(seen("127.0.0.1", &[("x-forwarded-for", "unknown")]).0, "127.0.0.1");
    }
}
