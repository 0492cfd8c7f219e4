//! `[http]`: where browsers and scripts connect, and what is believed of what stands between them and us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use jid::DomainRef;
use url::Url;

use super::ConfigError;
use super::settings::Settings;
use super::value::{FromValue, Value, expected};

/// `[http]`: WebSocket, BOSH, media and administration.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Addresses for plain HTTP, for a reverse proxy or tests. Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Addresses for HTTPS, with the certificate of `[tls]`.
    pub tls_listen: Vec<SocketAddr>,
    /// How browsers reach this server, whatever stands in between.
    pub public_url: PublicUrl,
    /// Whose pages may use it.
    pub origins: Origins,
    /// Reverse proxies: what they say of a client's address and of TLS is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpConfig {
    pub(super) fn take(settings: &mut Settings) -> Result<Self, ConfigError> {
        let loopback =
            || vec![IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST)), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))];
        Ok(Self {
            listen: settings.take("http.listen")?.unwrap_or_else(|| super::load::everywhere(5280)),
            tls_listen: settings.take("http.tls_listen")?.unwrap_or_else(|| super::load::everywhere(5443)),
            public_url: settings.take("http.public_url")?.unwrap_or_default(),
            origins: settings.take("http.origins")?.unwrap_or_default(),
            trusted_proxies: settings.take("http.trusted_proxies")?.map_or_else(loopback, |Proxies(networks)| networks),
        })
    }

    /// Whether `ip` is one of the reverse proxies.
    #[must_use]
    pub fn is_trusted_proxy(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&ip))
    }
}

/// The address that clients are told: `https://chat.example.org:5443`, never with a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// `path` begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The same place for WebSocket: `wss://`, or `ws://` where the address is not encrypted.
    #[must_use]
    pub fn websocket(&self, path: &str) -> String {
        // http becomes ws, https becomes wss.
        format!("ws{}{path}", self.0.strip_prefix("http").unwrap_or_default())
    }

    /// Whether the operator left it to the server.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds where the operator says nothing: the domain with the port of HTTPS, else of HTTP.
    #[must_use]
    pub fn of(domain: &DomainRef, tls: &[SocketAddr], plain: &[SocketAddr]) -> Self {
        let host = idna::domain_to_ascii(domain.as_str()).unwrap_or_else(|_| domain.as_str().to_owned());
        match (tls.first(), plain.first()) {
            (Some(address), _) if address.port() == 443 => Self(format!("https://{host}")),
            (Some(address), _) => Self(format!("https://{host}:{}", address.port())),
            (None, Some(address)) => Self(format!("http://{host}:{}", address.port())),
            (None, None) => Self::default(),
        }
    }
}

impl FromValue for PublicUrl {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "an address such as \"https://example.org:5443\"";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        match Url::parse(text) {
            Ok(url) if is_public(&url) => Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            _ => expected(WANTED, value),
        }
    }
}

fn is_public(url: &Url) -> bool {
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_web && url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
}

/// Which web pages may talk to the server, by their origin (RFC 6454): `scheme://host[:port]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All. Nothing here goes by cookies: a page can do no more than anybody with the same password could.
    #[default]
    Any,
    /// These, and pages that the server serves itself.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether a page of `origin` may use the server that it reached as `host` (the `Host` of its request).
    #[must_use]
    pub fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => {
                let own = origin.split_once("://").map(|(_, own)| own);
                listed.iter().any(|one| one.eq_ignore_ascii_case(origin)) || (own.is_some() && own == host)
            }
        }
    }
}

impl FromValue for Origins {
    fn from_value(value: &Value) -> Result<Self, String> {
        let listed: Vec<String> = Vec::from_value(value)?;
        if listed == ["*"] {
            return Ok(Self::Any);
        }
        for origin in &listed {
            let is_origin =
                Url::parse(origin).is_ok_and(|url| is_public(&url) && url.origin().ascii_serialization() == *origin);
            if !is_origin {
                return Err(format!(
                    "must be [\"*\"] or a list of origins such as \"https://example.org\", not \"{}\"",
                    origin.escape_debug()
                ));
            }
        }
        Ok(Self::Listed(listed))
    }
}

/// Networks in a list; an address alone is a network of one.
struct Proxies(Vec<IpNet>);

impl FromValue for Proxies {
    fn from_value(value: &Value) -> Result<Self, String> {
        let parse = |text: String| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| {
                format!("must be addresses or networks such as \"10.0.0.0/8\", not \"{}\"", text.escape_debug())
            })
        };
        Vec::<String>::from_value(value)?.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_public_url_is_joined_with_paths() {
        let url = PublicUrl::from_value(&text("https://Example.org:5443/")).unwrap();
        assert_eq!(url.join("/bosh"), "https://example.org:5443/bosh");
        assert_eq!(url.websocket("/ws"), "wss://example.org:5443/ws");
        let below = PublicUrl::from_value(&text("http://example.org/chat/")).unwrap();
        assert_eq!(below.websocket("/ws"), "ws://example.org/chat/ws");
        for bad in ["example.org", "ftp://example.org", "https://", "https://a@example.org", "https://example.org/?a"] {
            assert!(PublicUrl::from_value(&text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_listed_or_our_own() {
        let list = |items: &[&str]| Origins::from_value(&Value::List(items.iter().map(|item| text(item)).collect()));
        let origins = list(&["https://chat.example.org"]).unwrap();
        assert!(origins.allow("https://chat.example.org", Some("xmpp.example.org:5443")));
        assert!(origins.allow("https://xmpp.example.org:5443", Some("xmpp.example.org:5443")));
        assert!(!origins.allow("https://evil.example", Some("xmpp.example.org")));
        assert!(!origins.allow("null", Some("xmpp.example.org")));
        assert_eq!(list(&["*"]), Ok(Origins::Any));
        assert!(list(&["https://chat.example.org/"]).is_err());
        assert!(list(&["chat.example.org"]).is_err());
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let Proxies(networks) =
            Proxies::from_value(&Value::List(vec![text("10.0.0.0/8"), text("::1"), text("192.0.2.1")])).unwrap();
        assert_eq!(networks.len(), 3);
        assert!(Proxies::from_value(&Value::List(vec![text("proxy")])).is_err());
    }
}
