//! `[metrics]`, `[traces]`, `[turn]` and `[tls.acme]`: what an operator runs beside the server, and where it is told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jid::DomainPart;

use super::retention::parse_duration;
use super::settings::Settings;
use super::value::{ContactUri, FromValue, Value};
use super::{Config, ConfigError, Secret};
use crate::turn::Service;

/// The largest time for which credentials may be good: what leaks stays open that long.
const TURN_TTL_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Where certificates are asked for unless the operator says otherwise.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// `[metrics]`: where `/metrics`, `/healthz` and `/readyz` are served, in plaintext.
#[derive(Clone, Debug, Default)]
pub struct MetricsConfig {
    /// The address; none by default. Whoever reaches it can read how busy the server is.
    pub listen: Option<SocketAddr>,
}

/// `[traces]`: OpenTelemetry spans, sent to a collector.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The base URL of an OTLP collector that speaks HTTP (`/v1/traces` is added); None for no traces.
    pub otlp_endpoint: Option<String>,
    /// Of how many traces one is kept: 1.0 for all, 0.01 for every hundredth.
    pub sample_ratio: f64,
    /// What the collector calls this server, `service.name`.
    pub service_name: String,
}

/// `[turn]`: STUN and TURN servers that clients are told of (XEP-0215).
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// The services, in the operator's order.
    pub services: Vec<Service>,
    /// What is shared with the TURN servers; credentials are made from it.
    pub secret: Option<Secret>,
    /// How long credentials are good.
    pub ttl: Duration,
}

/// `[tls.acme]`: a certificate that the server gets and renews by itself (RFC 8555).
#[derive(Clone, Debug)]
pub struct AcmeConfig {
    /// The URL of the certificate authority's directory.
    pub directory: String,
    /// A PEM file with the authority's own root, when the system does not know it.
    pub directory_ca: Option<PathBuf>,
    /// Whom the authority may write to: `mailto:` URIs.
    pub contact: Vec<String>,
    /// The names in the certificate, the first one the server's.
    pub domains: Vec<DomainPart>,
    /// How the server shows that the names are its own.
    pub challenge: AcmeChallenge,
}

/// How ownership of a name is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// A file on port 80 (RFC 8555 §8.3): `[http] listen` must be reachable there.
    #[default]
    Http01,
    /// A certificate on port 443 (RFC 8737): a TLS listener must be reachable there.
    TlsAlpn01,
}

impl AcmeConfig {
    /// Why no authority can see that the names are ours, where the configuration tells.
    pub(super) fn unreachable(&self, config: &Config) -> Option<String> {
        let (needs, is_there) = match self.challenge {
            AcmeChallenge::Http01 => ("http.listen, reachable on port 80", !config.http.listen.is_empty()),
            AcmeChallenge::TlsAlpn01 => (
                "c2s.direct_tls_listen or http.tls_listen, reachable on port 443",
                !config.c2s.direct_tls_listen.is_empty() || !config.http.tls_listen.is_empty(),
            ),
        };
        (!is_there).then(|| format!("tls.acme.challenge needs {needs}"))
    }
}

impl FromValue for AcmeChallenge {
    fn from_value(value: &Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "http-01" => Ok(Self::Http01),
            "tls-alpn-01" => Ok(Self::TlsAlpn01),
            _ => Err(String::from("must be \"http-01\" or \"tls-alpn-01\"")),
        }
    }
}

impl FromValue for Service {
    fn from_value(value: &Value) -> Result<Self, String> {
        String::from_value(value)?.parse().map_err(|error: crate::turn::NotAService| error.to_string())
    }
}

/// A number from 0 to 1, written with a point or without.
struct Ratio(f64);

impl FromValue for Ratio {
    fn from_value(value: &Value) -> Result<Self, String> {
        let ratio = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(0) => Some(0.0),
            Value::Integer(1) => Some(1.0),
            _ => None,
        };
        let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or_else(|| String::from("must be a number from 0.0 to 1.0"))
    }
}

pub(super) fn metrics(settings: &mut Settings) -> Result<MetricsConfig, ConfigError> {
    Ok(MetricsConfig { listen: settings.take("metrics.listen")? })
}

pub(super) fn traces(settings: &mut Settings) -> Result<TracesConfig, ConfigError> {
    Ok(TracesConfig {
        otlp_endpoint: settings.take_checked("traces.otlp_endpoint", http_url)?,
        sample_ratio: settings.take("traces.sample_ratio")?.map_or(0.01, |Ratio(ratio)| ratio),
        service_name: settings.take("traces.service_name")?.unwrap_or_else(|| String::from("whimbrel")),
    })
}

pub(super) fn turn(settings: &mut Settings, folder: &Path) -> Result<TurnConfig, ConfigError> {
    settings.only_one(&["turn.secret", "turn.secret_file"])?;
    let given: Option<Secret> = settings.take("turn.secret")?;
    let read: Option<Secret> = settings.take_checked("turn.secret_file", |path| secret_in(folder, path))?;
    let secret = given.or(read);
    let has_secret = secret.is_some();
    let services = settings.take_checked("turn.services", |services: Vec<Service>| {
        if !has_secret && services.iter().any(Service::wants_credentials) {
            return Err(String::from("names a TURN server: set `turn.secret` to its static-auth-secret"));
        }
        Ok(services)
    })?;
    let ttl = settings.take_checked("turn.ttl", |text: String| {
        let ttl = parse_duration(&text).filter(|ttl| *ttl <= TURN_TTL_MAX);
        ttl.ok_or_else(|| String::from("must be a time such as \"12h\" (s, m, h or d), at most 7 days"))
    })?;
    Ok(TurnConfig {
        services: services.unwrap_or_default(),
        secret,
        ttl: ttl.unwrap_or(Duration::from_secs(12 * 3_600)),
    })
}

/// None: the operator's own certificate is used.
pub(super) fn acme(
    settings: &mut Settings,
    folder: &Path,
    domain: Option<&DomainPart>,
) -> Result<Option<AcmeConfig>, ConfigError> {
    let enabled = settings.take("tls.acme.enabled")?.unwrap_or(false);
    let directory = settings.take_checked("tls.acme.directory", https_url)?;
    let directory_ca: Option<PathBuf> = settings.take("tls.acme.directory_ca")?;
    let contact: Option<Vec<ContactUri>> = settings.take("tls.acme.contact")?;
    let domains = settings.take_checked("tls.acme.domains", distinct)?;
    let challenge = settings.take("tls.acme.challenge")?.unwrap_or_default();
    Ok(enabled.then(|| AcmeConfig {
        directory: directory.unwrap_or_else(|| String::from(LETS_ENCRYPT)),
        directory_ca: directory_ca.map(|path| folder.join(path)),
        contact: contact.unwrap_or_default().into_iter().map(|uri| uri.0).collect(),
        domains: domains.unwrap_or_else(|| domain.cloned().into_iter().collect()),
        challenge,
    }))
}

fn distinct(domains: Vec<DomainPart>) -> Result<Vec<DomainPart>, String> {
    let names: BTreeSet<&str> = domains.iter().map(|domain| domain.as_str()).collect();
    if domains.is_empty() || names.len() != domains.len() {
        return Err(String::from("must name at least one domain, and none of them twice"));
    }
    Ok(domains)
}

fn secret_in(folder: &Path, path: PathBuf) -> Result<Secret, String> {
    let path = folder.join(path);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

fn http_url(url: String) -> Result<String, String> {
    let fits = url.starts_with("http://") || url.starts_with("https://");
    if fits { Ok(url) } else { Err(String::from("must be a URL such as \"http://127.0.0.1:4318\"")) }
}

fn https_url(url: String) -> Result<String, String> {
    // RFC 8555 §6.1: nothing else is spoken with an authority.
    if url.starts_with("https://") { Ok(url) } else { Err(format!("must be a URL such as \"{LETS_ENCRYPT}\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let text = format!("[server]\ndomain = \"example.org\"\n{text}");
        Config::from_text(&text, Path::new("etc/whimbrel.toml"), &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_nothing_of_it_runs() {
        let config = load("").unwrap();
        assert!(config.metrics.listen.is_none() && config.traces.otlp_endpoint.is_none());
        assert!(config.turn.services.is_empty() && config.tls.acme.is_none());
        assert_eq!(config.tls.cert, Path::new("etc/tls/cert.pem"));
    }

    #[test]
    fn a_certificate_that_the_server_gets_is_kept_in_one_file_of_the_data_folder() {
        let config = load("data_dir = \"/data\"\n[tls.acme]\nenabled = true\n").unwrap();
        let acme = config.tls.acme.as_ref().unwrap();
        assert_eq!((acme.directory.as_str(), acme.challenge), (LETS_ENCRYPT, AcmeChallenge::Http01));
        assert_eq!(acme.domains.iter().map(|domain| domain.as_str()).collect::<Vec<_>>(), ["example.org"]);
        assert_eq!(config.tls.cert, Path::new("/data/acme/certificate.pem"));
        assert_eq!(config.tls.key, config.tls.cert);
    }

    #[test]
    fn a_challenge_that_nobody_can_answer_is_warned_about() {
        let warnings = |text: &str| load(&format!("[tls.acme]\nenabled = true\n{text}")).unwrap().warnings();
        assert_eq!(warnings("[http]\nlisten = []\n"), ["tls.acme.challenge needs http.listen, reachable on port 80"]);
        let without_tls = "challenge = \"tls-alpn-01\"\n[http]\npublic_url = \"https://example.org\"\ntls_listen = []\n\
                           [c2s]\ndirect_tls_listen = []\n";
        assert_eq!(warnings(without_tls).len(), 1, "{:?}", warnings(without_tls));
        assert!(warnings("challenge = \"tls-alpn-01\"\n[http]\nlisten = []\n").is_empty());
    }

    #[test]
    fn metrics_that_others_can_read_are_warned_about() {
        let warnings = |address: &str| load(&format!("[metrics]\nlisten = \"{address}\"\n")).unwrap().warnings().len();
        assert_eq!((warnings("127.0.0.1:9090"), warnings("0.0.0.0:9090")), (0, 1));
    }

    #[test]
    fn the_turn_secret_comes_from_its_file_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("turn.secret");
        let turn = |file: &Path| {
            let services = "services = [\"turn:turn.example.org\"]";
            load(&format!("[turn]\n{services}\nsecret_file = \"{}\"\nttl = \"1h\"\n", file.display()))
        };
        assert!(turn(&file).unwrap_err().contains("cannot be read"));
        std::fs::write(&file, " \n").unwrap();
        assert!(turn(&file).unwrap_err().ends_with("is empty"));
        std::fs::write(&file, "north\n").unwrap();
        let config = turn(&file).unwrap();
        assert_eq!(config.turn.secret.as_ref().unwrap().expose(), "north");
        assert_eq!(config.turn.ttl, Duration::from_secs(3_600));
        assert!(!format!("{config:?}").contains("north"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out() {
        for (text, problem) in [
            ("[turn]\nservices = [\"turn:turn.example.org\"]\n", "set `turn.secret` to its static-auth-secret"),
            ("[turn]\nservices = [\"turn.example.org\"]\n", "entry 1: must be a URI such as"),
            ("[turn]\nsecret = \"a\"\nsecret_file = \"b\"\n", "cannot stand beside `turn.secret`"),
            ("[turn]\nttl = \"8d\"\n", "at most 7 days"),
            ("[turn]\nttl = \"soon\"\n", "must be a time such as"),
            ("[traces]\nsample_ratio = 1.5\n", "must be a number from 0.0 to 1.0"),
            ("[traces]\nsample_ratio = \"all\"\n", "must be a number from 0.0 to 1.0"),
            ("[traces]\notlp_endpoint = \"127.0.0.1:4318\"\n", "must be a URL such as"),
            ("[metrics]\nlisten = \"9090\"\n", "must be an IP address and port"),
            ("[tls.acme]\ndirectory = \"http://ca\"\n", "must be a URL such as"),
            ("[tls.acme]\ndomains = []\n", "must name at least one domain"),
            ("[tls.acme]\ndomains = [\"a.b\", \"a.b\"]\n", "none of them twice"),
            ("[tls.acme]\nchallenge = \"dns-01\"\n", "must be \"http-01\" or \"tls-alpn-01\""),
            ("[tls.acme]\ncontact = [\"admin@example.org\"]\n", "entry 1: must be an address such as"),
        ] {
            let refused = load(text).unwrap_err();
            assert!(refused.contains(problem) && refused.lines().count() == 1, "{text}{refused}");
        }
        assert!(load("[traces]\nsample_ratio = 1\n").is_ok() && load("[turn]\nservices = [\"stun:a.b\"]\n").is_ok());
    }
}
