//! From settings to [`Config`]: one line a key, in the order of the template.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jid::DomainPart;
use tracing_subscriber::EnvFilter;

use super::settings::Settings;
use super::value::{BoundValue, ContactUri};
use super::{
    ArchiveConfig, C2sConfig, ComponentsConfig, Config, ConfigError, Contacts, HttpConfig, KeysConfig, LogConfig,
    LogFormat, MasterKeySource, PublicUrl, RegistrationConfig, Secret, ServerConfig, StorageConfig, TlsConfig, env,
};
use crate::limits::Limits;

impl Config {
    /// Reads a configuration file and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file's line or the variable.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { path: file.to_owned(), source })?;
        // A variable that is not UTF-8 cannot be one of ours with a TOML value.
        let variables: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_text(&text, file, &variables)
    }

    /// As [`Config::load`] with everything given: the file's text, its path (for messages and for
    /// relative paths), and the environment.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file's line or the variable.
    pub fn from_text(text: &str, file: &Path, variables: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut settings = Settings::parse(text, file)?;
        env::apply(&mut settings, variables)?;
        let config = read(&mut settings, file)?;
        settings.finish()?;
        env::refuse_near_misses(&settings, variables)?;
        Ok(config)
    }
}

fn read(settings: &mut Settings, file: &Path) -> Result<Config, ConfigError> {
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let missing = |key, example| ConfigError::Missing { path: file.to_owned(), key, example };

    // The domain is asked for first and missed last: a misspelt `domian` should say so.
    let domain: Option<DomainPart> = settings.take("server.domain")?;
    let rest = Rest {
        data_dir: path_or(settings, &folder, "server.data_dir", "data")?,
        node: settings.take_checked("server.node", node_name)?.unwrap_or_else(|| String::from("a")),
        admins: settings.take("server.admins")?.unwrap_or_default(),
        contacts: contacts(settings)?,
    };
    let c2s = C2sConfig {
        listen: settings.take("c2s.listen")?.unwrap_or_else(|| everywhere(5222)),
        direct_tls_listen: settings.take("c2s.direct_tls_listen")?.unwrap_or_else(|| everywhere(5223)),
        allow_plaintext: settings.take("c2s.allow_plaintext")?.unwrap_or(false),
    };
    let tls = TlsConfig {
        cert: path_or(settings, &folder, "tls.cert", "tls/cert.pem")?,
        key: path_or(settings, &folder, "tls.key", "tls/key.pem")?,
    };
    let mut http = HttpConfig::take(settings)?;
    let registration = RegistrationConfig { in_band: settings.take("registration.in_band")?.unwrap_or(false) };
    let components = components(settings)?;
    let storage = StorageConfig {
        url: settings.take("storage.url")?.unwrap_or_else(|| String::from("sqlite:whimbrel.db")),
        password: settings.take("storage.password")?,
    };
    let keys = KeysConfig { master_key: master_key(settings, &folder)? };
    let archive = ArchiveConfig { retention: settings.take("archive.retention")?.unwrap_or_default() };
    let log = LogConfig {
        format: settings.take("log.format")?.unwrap_or(LogFormat::Text),
        level: settings.take_checked("log.level", log_level)?.unwrap_or_else(|| String::from("info")),
    };
    let limits = limits(settings)?;
    let Some(domain) = domain else {
        settings.finish()?;
        return Err(missing("server.domain", "domain = \"example.org\""));
    };
    let Rest { data_dir, node, admins, contacts } = rest;
    if http.public_url.is_empty() {
        http.public_url = PublicUrl::of(&domain, &http.tls_listen, &http.listen);
    }
    let server = ServerConfig { domain, data_dir, node, admins, contacts };
    Ok(Config {
        file: file.to_owned(),
        server,
        c2s,
        tls,
        http,
        registration,
        components,
        storage,
        keys,
        archive,
        limits,
        log,
    })
}

/// `[server]` without its domain.
struct Rest {
    data_dir: PathBuf,
    node: String,
    admins: Vec<jid::BareJid>,
    contacts: Contacts,
}

fn contacts(settings: &mut Settings) -> Result<Contacts, ConfigError> {
    let mut list = |key: &str| {
        let uris: Option<Vec<ContactUri>> = settings.take(&format!("server.contacts.{key}"))?;
        Ok(uris.unwrap_or_default().into_iter().map(|uri| uri.0).collect())
    };
    Ok(Contacts {
        abuse: list("abuse")?,
        admin: list("admin")?,
        feedback: list("feedback")?,
        sales: list("sales")?,
        security: list("security")?,
        support: list("support")?,
    })
}

/// One of three keys; a variable wins over what the file says.
fn master_key(settings: &mut Settings, folder: &Path) -> Result<MasterKeySource, ConfigError> {
    settings.only_one(&["keys.master_key_file", "keys.master_key_command", "keys.master_key"])?;
    let file = path_or(settings, folder, "keys.master_key_file", "master.key")?;
    let command: Option<String> = settings.take("keys.master_key_command")?;
    let given: Option<Secret> = settings.take("keys.master_key")?;
    Ok(match (command, given) {
        (Some(command), _) => MasterKeySource::Command(command),
        (None, Some(given)) => MasterKeySource::Given(given),
        (None, None) => MasterKeySource::File(file),
    })
}

fn components(settings: &mut Settings) -> Result<ComponentsConfig, ConfigError> {
    let listen = settings.take("components.listen")?.unwrap_or_default();
    let secrets: BTreeMap<DomainPart, Secret> = settings
        .take_named("components.secrets", |name| {
            let refused = || String::from("must be the domain of a component, such as \"echo.example.org\"");
            DomainPart::new(name).map(std::borrow::Cow::into_owned).map_err(|_| refused())
        })?
        .into_iter()
        .collect();
    Ok(ComponentsConfig { listen, secrets })
}

fn limits(settings: &mut Settings) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for bound in Limits::BOUNDS {
        settings.take_checked(&format!("limits.{}", bound.name), |BoundValue(value)| {
            limits.set(bound, value).map_err(|error| error.to_string())
        })?;
    }
    Ok(limits)
}

fn path_or(settings: &mut Settings, folder: &Path, key: &str, default: &str) -> Result<PathBuf, ConfigError> {
    let path: Option<PathBuf> = settings.take(key)?;
    Ok(folder.join(path.unwrap_or_else(|| PathBuf::from(default))))
}

pub(super) fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]
}

fn node_name(name: String) -> Result<String, String> {
    let fits = name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(name) } else { Err(String::from("must be at most 32 letters, digits, - or _")) }
}

fn log_level(level: String) -> Result<String, String> {
    match EnvFilter::try_new(&level) {
        Ok(_) => Ok(level),
        Err(_) => {
            Err(String::from("must be a level such as \"info\", or directives such as \"info,server::c2s=debug\""))
        }
    }
}
