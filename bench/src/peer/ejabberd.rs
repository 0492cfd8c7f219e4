//! ejabberd from Debian's package: archive and offline messages in SQLite, which is faster there than its Mnesia, or
//! everything that lasts in PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Peer, Setup, free_address};
use crate::client::DOMAIN;

const CONTROL: &str = "/usr/sbin/ejabberdctl";

pub(super) fn command(setup: &Setup<'_>) -> Result<Command> {
    Peer::Ejabberd.version()?;
    let home = setup.dir.join("ejabberd");
    fs::create_dir_all(home.join("spool"))?;
    // It wants one file with both.
    let pem = home.join("certificate.pem");
    fs::write(&pem, format!("{}{}", fs::read_to_string(&setup.cert)?, fs::read_to_string(&setup.key)?))?;
    let config = home.join("ejabberd.yml");
    fs::write(&config, configuration(setup))?;
    fs::copy("/etc/ejabberd/inetrc", home.join("inetrc")).context("/etc/ejabberd/inetrc")?;
    // Debian's script changes to the user ejabberd, or refuses; this one stays who it is.
    let script = fs::read_to_string(CONTROL).context(CONTROL)?.replace("INSTALLUSER=ejabberd", "INSTALLUSER=");
    let control = home.join("ejabberdctl");
    fs::write(&control, script)?;
    fs::set_permissions(&control, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(control);
    command
        .arg("--config-dir")
        .arg(&home)
        .arg("--config")
        .arg(config)
        .arg("--spool")
        .arg(home.join("spool"))
        .arg("--logs")
        .arg(&home)
        .args(["--node", "bench@localhost", "foreground"])
        .env("HOME", &home)
        // No port mapper, and nothing that others on the network could talk to.
        .env("ERL_DIST_PORT", free_address()?.port().to_string())
        .env("INET_DIST_INTERFACE", "127.0.0.1")
        .env("ERL_MAX_PORTS", "65536");
    Ok(command)
}

fn configuration(setup: &Setup<'_>) -> String {
    let home = setup.dir.join("ejabberd");
    let home = home.display();
    let (tcp, tls) = (setup.tcp.port(), setup.tls.port());
    let database = setup
        .database
        .map_or_else(|| format!("sql_type: sqlite\nsql_database: \"{home}/spool/ejabberd.db\""), on_postgresql);
    format!(
        r#"loglevel: error
log_rotate_count: 0
hosts: ["{DOMAIN}"]
certfiles: ["{home}/certificate.pem"]
auth_password_format: scram
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
{database}
listen:
  - port: {tcp}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    backlog: 4096
    shaper: none
    access: all
  - port: {tls}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    backlog: 4096
    shaper: none
    access: all
    tls: true
access_rules:
  everybody:
    allow: all
shaper_rules:
  max_user_sessions: 1000
  max_user_offline_messages: 100000
modules:
  mod_blocking: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_mam:
    db_type: sql
    default: always
  mod_offline:
    db_type: sql
    access_max_user_messages: max_user_offline_messages
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_register:
    access: everybody
    ip_access: everybody
    access_remove: everybody
  mod_roster:
    versioning: true
  mod_stream_mgmt:
    resend_on_timeout: if_offline
    max_ack_queue: 5000
    resume_timeout: 600
  mod_vcard:
    search: false
registration_timeout: infinity
"#
    )
}

fn on_postgresql(database: &services::Database) -> String {
    let (user, password) = database.credentials();
    format!(
        r#"sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: {}
sql_database: "{}"
sql_username: "{user}"
sql_password: "{password}"
default_db: sql
auth_method: sql"#,
        database.port(),
        database.name()
    )
}
