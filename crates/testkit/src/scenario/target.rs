//! The server that scripts run against: our own, or any other one that the environment names.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::pattern::show;
use crate::{Backend, Client, Login, Security, TestServer};

/// Where the scripts of one folder run.
pub struct Target {
    server: Server,
    shared: Mutex<HashSet<String>>,
}

enum Server {
    Own(Box<TestServer>),
    Other(OtherServer),
}

/// A server that runs already.
#[derive(Clone, Debug)]
pub struct OtherServer {
    domain: String,
    c2s: SocketAddr,
    components: Option<SocketAddr>,
    ca: Option<PathBuf>,
    add_user: Option<String>,
}

impl OtherServer {
    /// What `SCENARIO_HOST` (an address with a port), `SCENARIO_DOMAIN`, `SCENARIO_COMPONENTS`,
    /// `SCENARIO_CA` and `SCENARIO_ADDUSER` name; `None` without the first.
    ///
    /// # Errors
    /// When an address cannot be read.
    pub fn from_environment() -> Result<Option<Self>> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(host) = variable("SCENARIO_HOST") else { return Ok(None) };
        let components = variable("SCENARIO_COMPONENTS").map(|address| address.parse()).transpose();
        Ok(Some(Self {
            domain: variable("SCENARIO_DOMAIN").unwrap_or_else(|| String::from("localhost")),
            c2s: host.parse().context("SCENARIO_HOST is an address with a port, such as 127.0.0.1:5222")?,
            components: components.context("SCENARIO_COMPONENTS")?,
            ca: variable("SCENARIO_CA").map(PathBuf::from),
            add_user: variable("SCENARIO_ADDUSER"),
        }))
    }
}

impl Target {
    /// The server for a folder of scripts: the one of the environment, else a fresh one of our own on this kind of
    /// database, with the settings of the folder's `server.toml`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn for_folder(folder: &Path, backend: Backend) -> Result<Self> {
        let server = match OtherServer::from_environment()? {
            Some(other) => Server::Other(other),
            None => Server::Own(Box::new(own_server(folder, backend).await?)),
        };
        Ok(Self { server, shared: Mutex::default() })
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        match &self.server {
            Server::Own(own) => own.domain(),
            Server::Other(other) => &other.domain,
        }
    }

    /// What our own server logged.
    #[must_use]
    pub fn log(&self) -> Option<String> {
        match &self.server {
            Server::Own(own) => Some(own.log()),
            Server::Other(_) => None,
        }
    }

    /// Where components connect.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn components(&self) -> Result<SocketAddr> {
        match &self.server {
            Server::Own(own) => own.address("components"),
            Server::Other(other) => other.components.context("SCENARIO_COMPONENTS is not set"),
        }
    }

    /// A login for an account of this server.
    ///
    /// # Errors
    /// When the server has no listener for clients.
    pub fn login(&self, localpart: &str, password: &str, resource: Option<String>) -> Result<Login> {
        let login = match &self.server {
            Server::Own(own) => own.login(localpart, password)?,
            Server::Other(other) => Login {
                domain: other.domain.clone(),
                address: other.c2s,
                security: if other.ca.is_some() { Security::StartTls } else { Security::Plaintext },
                ca: other.ca.clone(),
                localpart: localpart.to_owned(),
                password: password.to_owned(),
                resource: None,
                source: None,
            },
        };
        Ok(Login { resource, ..login })
    }

    /// Makes an account for a script's user. Its localpart is new in every script, but `admin`, whom
    /// the server's configuration knows, is shared.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn account(&self, name: &str, password: &str) -> Result<String> {
        if name == "admin" {
            let mut shared = self.shared.lock().await;
            if shared.insert(name.to_owned()) {
                let added = self.add_user(name, password).await;
                // A server that was there before may know its admin.
                if matches!(self.server, Server::Own(_)) {
                    added?;
                }
            }
            return Ok(name.to_owned());
        }
        let localpart = Self::unused(name);
        self.add_user(&localpart, password).await?;
        Ok(localpart)
    }

    /// A localpart that no other script of this or another run uses.
    #[must_use]
    pub fn unused(name: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() % 100_000);
        format!("{name}-{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    async fn add_user(&self, localpart: &str, password: &str) -> Result<()> {
        match &self.server {
            Server::Own(own) => own.add_user(localpart, password).await,
            Server::Other(other) => match &other.add_user {
                Some(template) => by_command(template, localpart, password).await,
                None => in_band(self.login(localpart, password, None)?).await,
            },
        }
    }
}

async fn own_server(folder: &Path, backend: Backend) -> Result<TestServer> {
    let mut builder = TestServer::builder().database(backend);
    let settings = folder.join("server.toml");
    if settings.exists() {
        let text = std::fs::read_to_string(&settings)?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').with_context(|| format!("{}: {line}", settings.display()))?;
            builder = builder.set(key.trim(), value.trim());
        }
    }
    builder.start().await
}

async fn by_command(template: &str, localpart: &str, password: &str) -> Result<()> {
    let line = template.replace("{user}", localpart).replace("{password}", password);
    let output = Command::new("sh").arg("-c").arg(&line).output().await?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!("{line}: {}\n{}", output.status, String::from_utf8_lossy(&text));
    }
    Ok(())
}

/// Registers in band (XEP-0077 §3.1).
async fn in_band(login: Login) -> Result<()> {
    let (localpart, password) = (login.localpart.clone(), login.password.clone());
    let mut client = Client::open(login).await?;
    let query = format!(
        "<iq type='set'><query xmlns='jabber:iq:register'><username>{localpart}</username><password>{password}</password></query></iq>"
    );
    let reply = client.iq(&query).await?;
    if reply.attr("type") != Some("result") {
        bail!("{localpart} cannot register: {}", show(&reply));
    }
    client.close().await
}
