//! The operator's configuration: `whimbrel.toml` and `WHIMBREL_SECTION__KEY` variables as types.
//! Whatever is in here has been checked; relative paths have been resolved.

mod env;
mod error;
mod http;
mod load;
pub mod master_key;
mod retention;
mod settings;
pub mod template;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use jid::{BareJid, DomainPart};

pub use error::ConfigError;
pub use http::{HttpConfig, Origins, PublicUrl};
pub use master_key::{MasterKeyError, MasterKeySource};
pub use retention::Retention;
pub use settings::Origin;

use crate::limits::Limits;

/// Everything an operator configures.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// `[server]`
    pub server: ServerConfig,
    /// `[c2s]`
    pub c2s: C2sConfig,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[http]`
    pub http: HttpConfig,
    /// `[registration]`
    pub registration: RegistrationConfig,
    /// `[components]`
    pub components: ComponentsConfig,
    /// `[storage]`
    pub storage: StorageConfig,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[archive]`
    pub archive: ArchiveConfig,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: LogConfig,
}

/// `[server]`: who this server is.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The domain of its accounts, the part after the `@`.
    pub domain: DomainPart,
    /// The folder that holds all state.
    pub data_dir: PathBuf,
    /// The name of this process among the nodes of a cluster.
    pub node: String,
    /// Accounts that may use the commands of XEP-0133.
    pub admins: Vec<BareJid>,
    /// Addresses to write to, announced to everybody (XEP-0157).
    pub contacts: Contacts,
}

/// `[server.contacts]`: addresses by the form fields of XEP-0157, each a list of URIs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// `abuse-addresses`
    pub abuse: Vec<String>,
    /// `admin-addresses`
    pub admin: Vec<String>,
    /// `feedback-addresses`
    pub feedback: Vec<String>,
    /// `sales-addresses`
    pub sales: Vec<String>,
    /// `security-addresses`
    pub security: Vec<String>,
    /// `support-addresses`
    pub support: Vec<String>,
}

/// `[c2s]`: where clients connect.
#[derive(Clone, Debug)]
pub struct C2sConfig {
    /// Addresses for STARTTLS (RFC 6120 §5). Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Addresses for direct TLS (XEP-0368).
    pub direct_tls_listen: Vec<SocketAddr>,
    /// Whether clients may log in without TLS: for loopback tests and benchmarks only.
    pub allow_plaintext: bool,
}

/// `[tls]`: the certificate, reloaded when the files change.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate chain, PEM, the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// `[registration]`: how accounts come into being.
#[derive(Clone, Debug, Default)]
pub struct RegistrationConfig {
    /// Whether anybody may create an account from a client (XEP-0077).
    pub in_band: bool,
}

/// `[components]`: external components (XEP-0114).
#[derive(Clone, Debug, Default)]
pub struct ComponentsConfig {
    /// Addresses where components connect.
    pub listen: Vec<SocketAddr>,
    /// The shared secret of each component's domain.
    pub secrets: BTreeMap<DomainPart, Secret>,
}

/// `[storage]`: where state lives.
#[derive(Clone)]
pub struct StorageConfig {
    /// A database URL; `sqlite:NAME` is a file in the data folder. It may hold a password.
    pub url: String,
    /// The password for a database server, in place of one in the URL.
    pub password: Option<Secret>,
}

impl fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageConfig").field("url", &storage::without_password(&self.url)).finish_non_exhaustive()
    }
}

/// `[keys]`: keys that must not be lost.
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// Where the master key is.
    pub master_key: MasterKeySource,
}

/// `[archive]`: how long messages are kept.
#[derive(Clone, Debug, Default)]
pub struct ArchiveConfig {
    /// For every account that has no wish of its own.
    pub retention: Retention,
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// What is written: a level (`info`) or directives (`info,server::c2s=debug`).
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// A shared secret; it never shows in a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for computing with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Config {
    /// What is allowed but unwise, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let open_to_all =
            |addresses: &[SocketAddr]| addresses.iter().find(|address| !address.ip().is_loopback()).copied();
        if let Some(address) = open_to_all(&self.c2s.listen).filter(|_| self.c2s.allow_plaintext) {
            warnings.push(format!(
                "c2s.allow_plaintext is true and {address} can be reached from other machines: passwords and messages \
                 could cross the network unencrypted; set it to false"
            ));
        }
        if let Some(address) = open_to_all(&self.components.listen) {
            warnings.push(format!(
                "components.listen has {address}, which other machines can reach, and XEP-0114 does not encrypt: \
                 listen on 127.0.0.1"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests;
