//! Pebble: the certificate authority that ACME clients are tested with, and a name server that calls every name this
//! machine.

use std::ffi::OsString;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::program::program;
use super::watched::{Watched, free_port};
use crate::DEADLINE;

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

/// A running authority; dropping it stops it.
#[derive(Debug)]
pub struct Pebble {
    program: PathBuf,
    port: u16,
    names_port: u16,
    refused_nonces_percent: u8,
    process: Option<Watched>,
    _names: Watched,
    dir: TempDir,
}

impl Pebble {
    /// Starts an authority and waits until it answers.
    ///
    /// # Errors
    /// When Pebble is missing (the error says how to install it) or does not answer.
    pub fn start(authority: Authority<'_>) -> Result<Self> {
        let (pebble, names) = (program("pebble", "pebble")?, program("pebble-challtestsrv", "pebble")?);
        let dir = tempfile::Builder::new().prefix("whimbrel-pebble-").tempdir()?;
        let (port, names_port, management) = (free_port()?, free_port()?, free_port()?);
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&cert, authority.identity.0)?;
        std::fs::write(&key, authority.identity.1)?;
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{}", free_port()?),
            "certificate": cert, "privateKey": key,
            "httpPort": authority.http_port, "tlsPort": authority.tls_port,
            "certificateValidityPeriod": authority.validity_secs,
        }});
        std::fs::write(dir.path().join("pebble.json"), settings.to_string())?;
        let names_at = format!("127.0.0.1:{names_port}");
        let management = format!("127.0.0.1:{management}");
        let args = ["-dns01", &names_at, "-management", &management, "-defaultIPv6", "", "-http01", ""];
        let args: Vec<OsString> =
            args.into_iter().chain(["-https01", "", "-tlsalpn01", ""]).map(OsString::from).collect();
        let args: Vec<_> = args.iter().map(OsString::as_os_str).collect();
        let names = Watched::start(&names, &args, &dir.path().join("names.log"))?;
        let refused_nonces_percent = authority.refused_nonces_percent;
        let mut started =
            Self { program: pebble, port, names_port, refused_nonces_percent, process: None, _names: names, dir };
        started.restart()?;
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
        self.dir.path().join("cert.pem")
    }

    /// Stops it and starts it again: it has forgotten every account and signs with another key.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn restart(&mut self) -> Result<()> {
        self.process = None;
        let words = [
            String::from("PEBBLE_VA_NOSLEEP=1"),
            format!("PEBBLE_WFE_NONCEREJECT={}", self.refused_nonces_percent),
            self.program.display().to_string(),
            String::from("-config"),
            self.dir.path().join("pebble.json").display().to_string(),
            String::from("-dnsserver"),
            format!("127.0.0.1:{}", self.names_port),
        ];
        let args: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let args: Vec<_> = args.iter().map(OsString::as_os_str).collect();
        self.process = Some(Watched::start(Path::new("env"), &args, &self.dir.path().join("log"))?);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if started.elapsed() > DEADLINE {
                bail!("pebble does not answer:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20)); // tidy: allow sleep, one step of a bounded poll
        }
        Ok(())
    }

    /// What it has printed since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}
