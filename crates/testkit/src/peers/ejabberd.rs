//! ejabberd, which exports its accounts while it runs (`ejabberdctl export_piefxis`).

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::process::{Process, adapted, free_address, run};
use super::{DOMAIN, register};
use crate::Client;

const CONTROL: &str = "/usr/sbin/ejabberdctl";

/// A running ejabberd.
#[derive(Debug)]
pub struct Ejabberd {
    _process: Process,
    address: SocketAddr,
    distribution: SocketAddr,
    dir: TempDir,
}

impl Ejabberd {
    /// Starts one that keeps passwords in that way: `plain`, or `scram` with this hash.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start(scram: Option<&str>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("whimbrel-ejabberd-").tempdir()?;
        let home = dir.path();
        fs::create_dir(home.join("spool"))?;
        let address = free_address()?;
        fs::write(home.join("ejabberd.yml"), configuration(address, scram))?;
        fs::copy("/etc/ejabberd/inetrc", home.join("inetrc")).context("/etc/ejabberd/inetrc")?;
        // Debian's script changes to the user ejabberd, or refuses; this one stays who it is.
        let control = home.join("ejabberdctl");
        fs::write(&control, adapted(CONTROL, ("INSTALLUSER=ejabberd", "INSTALLUSER="))?)?;
        fs::set_permissions(&control, fs::Permissions::from_mode(0o755))?;
        let distribution = free_address()?;
        let mut command = control_command(home, distribution);
        command.arg("foreground");
        let process = Process::start(command, address, &home.join("output.log")).await?;
        Ok(Self { _process: process, address, distribution, dir })
    }

    /// Makes an account and logs in to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(&self, localpart: &str, password: &str) -> Result<Client> {
        register(self.address, localpart, password).await
    }

    /// Exports every account (XEP-0227), and names the file that includes the others.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn export(&self) -> Result<PathBuf> {
        let folder = self.dir.path().join("export");
        fs::create_dir(&folder)?;
        let mut command = control_command(self.dir.path(), self.distribution);
        command.arg("export_piefxis").arg(&folder);
        run(command).await?;
        let files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        let is_main = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains("<server-data"));
        files.into_iter().find(is_main).context("ejabberd exported no file with <server-data/>")
    }
}

fn control_command(home: &Path, distribution: SocketAddr) -> Command {
    let mut command = Command::new(home.join("ejabberdctl"));
    command.arg("--config-dir").arg(home).arg("--config").arg(home.join("ejabberd.yml"));
    command.arg("--spool").arg(home.join("spool")).arg("--logs").arg(home);
    command.args(["--node", "moving@localhost"]).env("HOME", home);
    // No port mapper, and nothing that others on the network could talk to.
    command.env("ERL_DIST_PORT", distribution.port().to_string()).env("INET_DIST_INTERFACE", "127.0.0.1");
    command
}

fn configuration(address: SocketAddr, scram: Option<&str>) -> String {
    let port = address.port();
    let format = match scram {
        Some(hash) => format!("auth_password_format: scram\nauth_scram_hash: {hash}"),
        None => String::from("auth_password_format: plain"),
    };
    format!(
        r#"loglevel: error
hosts: ["{DOMAIN}"]
{format}
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    access: all
access_rules:
  everybody:
    allow: all
modules:
  mod_blocking: {{}}
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_register:
    access: everybody
    ip_access: everybody
  mod_roster: {{}}
  mod_vcard:
    search: false
registration_timeout: infinity
"#
    )
}
