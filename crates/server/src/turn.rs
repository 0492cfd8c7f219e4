//! STUN and TURN servers for calls: their names as URIs (RFC 7064, RFC 7065), and passwords that are good for a while.
//! The TURN server shares a secret with us and knows no users: the user name says until when it is good, the password
//! proves that we made it (the "TURN REST API" that coturn calls `use-auth-secret`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Secret;

/// What a service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tells clients their address.
    Stun,
    /// The same over TLS or DTLS.
    Stuns,
    /// Relays what cannot go directly.
    Turn,
    /// The same over TLS or DTLS.
    Turns,
}

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP, or DTLS over it.
    Udp,
    /// TCP, or TLS over it.
    Tcp,
}

/// A server, as `stun:HOST[:PORT]` or `turn:HOST[:PORT][?transport=udp|tcp]`, and the same with `stuns` and `turns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is for.
    pub kind: Kind,
    /// A domain or an address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What carries it.
    pub transport: Transport,
}

/// A text that names no service.
#[derive(Debug, thiserror::Error)]
#[error(
    "must be a URI such as \"stun:turn.example.org:3478\", \"turn:turn.example.org:3478?transport=udp\" or \
     \"turns:turn.example.org:5349?transport=tcp\""
)]
pub struct NotAService;

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `EXPIRY:USER`, the expiry in seconds since the epoch.
    pub username: String,
    /// The base64 of the user name's HMAC-SHA1.
    pub password: String,
    /// When it ends, in ms since the epoch.
    pub expires_ms: i64,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Kind {
    /// The scheme, and the type in XEP-0215.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    /// RFC 7064 §3.2 and RFC 7065 §3.2.
    fn default_port(self) -> u16 {
        match self {
            Self::Stun | Self::Turn => 3478,
            Self::Stuns | Self::Turns => 5349,
        }
    }

    fn default_transport(self) -> Transport {
        match self {
            Self::Stun | Self::Turn => Transport::Udp,
            Self::Stuns | Self::Turns => Transport::Tcp,
        }
    }
}

impl Transport {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl Service {
    /// Whether it serves nobody without credentials.
    pub fn wants_credentials(&self) -> bool {
        matches!(self.kind, Kind::Turn | Kind::Turns)
    }
}

impl FromStr for Service {
    type Err = NotAService;

    fn from_str(text: &str) -> Result<Self, NotAService> {
        let (scheme, rest) = text.split_once(':').ok_or(NotAService)?;
        let kinds = [Kind::Stun, Kind::Stuns, Kind::Turn, Kind::Turns];
        let kind = kinds.into_iter().find(|kind| kind.name() == scheme).ok_or(NotAService)?;
        let (place, transport) = match rest.split_once('?') {
            None => (rest, kind.default_transport()),
            Some((place, "transport=udp")) => (place, Transport::Udp),
            Some((place, "transport=tcp")) => (place, Transport::Tcp),
            Some(_) => return Err(NotAService),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(NotAService)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| NotAService)?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(NotAService)?) })
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(NotAService);
        }
        let port = port.map_or(Ok(kind.default_port()), |port| port.parse().map_err(|_| NotAService))?;
        if port == 0 {
            return Err(NotAService);
        }
        Ok(Self { kind, host: host.to_owned(), port, transport })
    }
}

/// Credentials for `user`, a name that tells the TURN server nothing, good until `ttl` after `now_ms`.
pub fn credentials(secret: &Secret, user: &str, now_ms: i64, ttl: Duration) -> Credentials {
    let ttl_secs = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let expires_secs = (now_ms / 1000).saturating_add(ttl_secs);
    let username = format!("{expires_secs}:{user}");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    let password = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    Credentials { username, password, expires_ms: expires_secs.saturating_mul(1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_by_their_uris() {
        let service = |text: &str| text.parse::<Service>().map(|it| (it.kind, it.host, it.port, it.transport)).ok();
        let host = || String::from("turn.example.org");
        for (text, kind, port, transport) in [
            ("stun:turn.example.org", Kind::Stun, 3478, Transport::Udp),
            ("stuns:turn.example.org", Kind::Stuns, 5349, Transport::Tcp),
            ("turn:turn.example.org:3479", Kind::Turn, 3479, Transport::Udp),
            ("turn:turn.example.org?transport=tcp", Kind::Turn, 3478, Transport::Tcp),
            ("turns:turn.example.org:443?transport=udp", Kind::Turns, 443, Transport::Udp),
        ] {
            assert_eq!(service(text), Some((kind, host(), port, transport)), "{text}");
        }
        let six = (Kind::Turn, String::from("2001:db8::1"), 3478, Transport::Udp);
        assert_eq!(service("turn:[2001:db8::1]"), Some(six.clone()));
        assert_eq!(service("turn:[2001:db8::1]:3478"), Some(six));
        for bad in [
            "",
            "turn.example.org",
            "http:turn.example.org",
            "turn:",
            "turn:a b",
            "turn:a:0",
            "turn:a:65536",
            "turn:a:x",
            "turn:a?transport=sctp",
            "turn:[::1",
            "turn:[::1]3478",
            "turn:[a]:1",
            "turn://a",
        ] {
            assert_eq!(service(bad), None, "{bad}");
        }
    }

    /// Made with OpenSSL:
    /// `printf 1735689600:alice | openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn a_password_is_the_hmac_of_the_name() {
        let secret = Secret::new(String::from("north"));
        let made = credentials(&secret, "alice", 1_735_646_400_000, Duration::from_secs(43_200));
        assert_eq!(made.username, "1735689600:alice");
        assert_eq!(made.expires_ms, 1_735_689_600_000);
        assert_eq!(made.password, "HbvWA6hGDtdv3wflBolXLhvzs0w=");
        assert!(!format!("{made:?}").contains(&made.password));
    }
}
