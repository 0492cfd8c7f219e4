//! Pebble: the certificate authority that ACME clients are tested with, and a name server that calls every name this
//! machine.

use std::{
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{folder, keeper::Keeper, port::free_port, program};

/// How long it may take to answer; the machine may be busy.
const START: Duration = Duration::from_secs(30);

/// What an authority is like.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// The certificate of its own listener, for 127.0.0.1, and the key, both PEM.
    pub identity: (&'a str, &'a str),
    /// Where it looks for texts (http-01).
    pub http_port: u16,
    /// Where it looks for certificates (tls-alpn-01).
    pub tls_port: u16,
    /// How long what it signs is good.
    pub validity_secs: u64,
    /// Of a hundred good nonces, how many it refuses.
    pub refused_nonces_percent: u8,
}

/// A running authority. It ends, and its folder goes, when this process does or when it is dropped.
pub struct Pebble {
    port: u16,
    folder: PathBuf,
    authority: Keeper,
    _names: Keeper,
}

impl std::fmt::Debug for Pebble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pebble").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Pebble {
    /// Starts an authority and waits until it answers.
    ///
    /// # Errors
    /// When Pebble is missing (the error says how to install it) or does not answer.
    pub fn start(authority: Authority<'_>) -> Result<Self> {
        let (pebble, names) = (program::find("pebble", "pebble")?, program::find("pebble-challtestsrv", "pebble")?);
        let (folder, folder_of_names) = (folder::create("pebble")?, folder::create("pebble-names")?);
        let (port, management, names_port) = (free_port()?, free_port()?, free_port()?);
        std::fs::write(folder.join("cert.pem"), authority.identity.0)?;
        std::fs::write(folder.join("key.pem"), authority.identity.1)?;
        let settings = folder.join("pebble.json");
        std::fs::write(&settings, settings_of(&authority, &folder.display().to_string(), port, management))?;
        let names_at = format!("127.0.0.1:{names_port}");
        let management_of_names = format!("127.0.0.1:{}", free_port()?);
        let mut command = vec![names.display().to_string()];
        let places = [("-dns01", names_at.as_str()), ("-management", &management_of_names)];
        let nothing = ["-defaultIPv6", "-http01", "-https01", "-tlsalpn01"].map(|flag| (flag, ""));
        for (flag, value) in places.into_iter().chain(nothing) {
            command.extend([flag.to_owned(), value.to_owned()]);
        }
        let names = Keeper::start(&folder_of_names, "KILL", &command)?;
        let command = [
            "env",
            "PEBBLE_VA_NOSLEEP=1",
            &format!("PEBBLE_WFE_NONCEREJECT={}", authority.refused_nonces_percent),
            &pebble.display().to_string(),
            "-config",
            &settings.display().to_string(),
            "-dnsserver",
            &names_at,
        ];
        let started = Self { port, authority: Keeper::start(&folder, "KILL", &command)?, folder, _names: names };
        started.answers()?;
        Ok(started)
    }

    /// The URL of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The file with the certificate of its listener.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Stops it and starts it again: it has forgotten every account and signs with another key.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn restart(&mut self) -> Result<()> {
        self.authority.order("kill")?;
        self.authority.order("start")?;
        self.answers()
    }

    fn answers(&self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if started.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                bail!("pebble does not answer:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn settings_of(authority: &Authority<'_>, folder: &str, port: u16, management: u16) -> String {
    let Authority { http_port, tls_port, validity_secs, .. } = authority;
    format!(
        r#"{{ "pebble": {{
    "listenAddress": "127.0.0.1:{port}",
    "managementListenAddress": "127.0.0.1:{management}",
    "certificate": "{folder}/cert.pem",
    "privateKey": "{folder}/key.pem",
    "httpPort": {http_port},
    "tlsPort": {tls_port},
    "certificateValidityPeriod": {validity_secs}
}} }}
"#
    )
}
