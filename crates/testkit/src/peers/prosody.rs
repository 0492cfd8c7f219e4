//! Prosody, whose migrator writes its accounts as XEP-0227, one file each, once it has ended.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::process::{Process, adapted, free_address, run};
use super::{DOMAIN, register};
use crate::Client;

const MIGRATOR: &str = "/usr/bin/prosody-migrator";

/// A running Prosody; it keeps passwords as keys of SCRAM-SHA-1.
#[derive(Debug)]
pub struct Prosody {
    process: Process,
    address: SocketAddr,
    dir: TempDir,
}

impl Prosody {
    /// Starts one.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("whimbrel-prosody-").tempdir()?;
        fs::create_dir(dir.path().join("data"))?;
        let address = free_address()?;
        let (home, port) = (dir.path().display(), address.port());
        let config = dir.path().join("prosody.cfg.lua");
        fs::write(
            &config,
            format!(
                r#"run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
storage = "internal"
allow_registration = true
log = {{ warn = "{home}/prosody.log" }}
modules_enabled = {{
  "roster"; "saslauth"; "disco"; "private"; "vcard"; "ping"; "register"; "register_ibr"; "mam"; "offline"; "blocklist";
}}
modules_disabled = {{ "s2s"; "tls" }}
VirtualHost "{DOMAIN}"
"#
            ),
        )?;
        let mut command = Command::new("prosody");
        command.arg("--config").arg(config).arg("-F");
        let process = Process::start(command, address, &dir.path().join("output.log")).await?;
        Ok(Self { process, address, dir })
    }

    /// Makes an account and logs in to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(&self, localpart: &str, password: &str) -> Result<Client> {
        register(self.address, localpart, password).await
    }

    /// Ends the server and has its migrator write each account to a file; their folder.
    ///
    /// # Errors
    /// When the server does not end or the migrator fails.
    pub async fn export(self) -> Result<Exported> {
        self.process.stop().await?;
        let home = self.dir.path();
        let folder = home.join("export");
        fs::create_dir(&folder)?;
        // It writes below the data folder that it was built with.
        let target = format!("CFG_DATADIR='{}'", folder.display());
        let script = home.join("migrator.lua");
        fs::write(&script, adapted(MIGRATOR, ("CFG_DATADIR='/var/lib/prosody'", &target))?)?;
        let config = home.join("migrator.cfg.lua");
        let data = home.join("data");
        fs::write(
            &config,
            format!(
                r#"input {{
  type = "internal";
  path = "{}";
  hosts = {{ ["{DOMAIN}"] = {{ "accounts"; "roster"; "vcard"; "private"; "archive-archive" }} }};
}}
output {{ type = "xep0227" }}
"#,
                data.display()
            ),
        )?;
        let mut command = Command::new("lua5.4");
        command.arg(&script).arg("--root").arg("--config").arg(&config);
        run(command).await?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                files.push(path);
            }
        }
        files.sort();
        Ok(Exported { files, _dir: self.dir })
    }
}

/// Files of XEP-0227; they go when this is dropped.
#[derive(Debug)]
pub struct Exported {
    /// One for each account.
    pub files: Vec<PathBuf>,
    _dir: TempDir,
}
