//! Prosody from Debian's package, with its internal storage, which is what it comes with.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Peer, Setup};
use crate::client::DOMAIN;

pub(super) fn command(setup: &Setup<'_>) -> Result<Command> {
    Peer::Prosody.version()?;
    let home = setup.dir.join("prosody");
    fs::create_dir_all(home.join("data"))?;
    let (home, cert, key) = (home.display(), setup.cert.display(), setup.key.display());
    let (tcp, tls) = (setup.tcp.port(), setup.tls.port());
    let config = format!(
        r#"run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {tcp} }}
c2s_direct_tls_ports = {{ {tls} }}
c2s_direct_tls_ssl = {{ key = "{key}", certificate = "{cert}" }}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
network_backend = "epoll"
network_settings = {{ tcp_backlog = 4096 }}
c2s_require_encryption = false
c2s_timeout = 600
authentication = "internal_hashed"
storage = "internal"
allow_registration = true
archive_expires_after = "never"
max_archive_query_results = 250
smacks_hibernation_time = 600
smacks_max_queue_size = 5000
log = {{ warn = "{home}/prosody.log" }}
modules_enabled = {{
  "roster"; "saslauth"; "tls"; "disco"; "carbons"; "blocklist"; "private"; "vcard"; "ping";
  "register"; "register_ibr"; "mam"; "csi"; "smacks"; "offline";
}}
modules_disabled = {{ "s2s" }}
VirtualHost "{DOMAIN}"
  ssl = {{ key = "{key}", certificate = "{cert}" }}
"#
    );
    let file = setup.dir.join("prosody/prosody.cfg.lua");
    fs::write(&file, config)?;
    let mut command = Command::new("prosody");
    command.arg("--config").arg(file).arg("-F");
    Ok(command)
}
