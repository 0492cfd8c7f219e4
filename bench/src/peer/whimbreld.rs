//! Ours: the release build, configured through its environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Retention, Setup, run};
use crate::client::DOMAIN;

/// The server's binary: what `WHIMBRELD` names, else the release build beside this one.
pub fn binary() -> Result<PathBuf> {
    let path = match std::env::var_os("WHIMBRELD") {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe()?;
            own.parent().and_then(Path::parent).unwrap_or(&own).join("release/whimbreld")
        }
    };
    if path.exists() { Ok(path) } else { bail!("{} is missing: run cargo build --release -p server", path.display()) }
}

pub(super) fn command(setup: &Setup<'_>) -> Result<Command> {
    let home = setup.dir.join("whimbrel");
    let config = home.join("whimbrel.toml");
    if !config.exists() {
        run(Command::new(binary()?).args(["init", "--domain", DOMAIN, "--dir"]).arg(&home))?;
    }
    let retention = match setup.retention {
        Retention::Forever => "forever",
        Retention::UntilDelivered => "until-delivered",
    };
    let mut command = Command::new(binary()?);
    command.arg("run").arg("--config").arg(config).envs([
        ("WHIMBREL_C2S__LISTEN", format!("[\"{}\"]", setup.tcp)),
        ("WHIMBREL_C2S__DIRECT_TLS_LISTEN", format!("[\"{}\"]", setup.tls)),
        ("WHIMBREL_HTTP__LISTEN", String::from("[]")),
        ("WHIMBREL_HTTP__TLS_LISTEN", format!("[\"{}\"]", setup.https)),
        ("WHIMBREL_MEDIA__MAX_SIZE", String::from("\"8 GiB\"")),
        ("WHIMBREL_MEDIA__QUOTA", String::from("\"64 GiB\"")),
        ("WHIMBREL_C2S__ALLOW_PLAINTEXT", String::from("true")),
        ("WHIMBREL_REGISTRATION__IN_BAND", String::from("true")),
        ("WHIMBREL_ARCHIVE__RETENTION", String::from(retention)),
        ("WHIMBREL_LIMITS__REGISTRATIONS_PER_IP_PER_HOUR_MAX", String::from("none")),
        ("WHIMBREL_LIMITS__CONNECTIONS_PER_IP_MAX", String::from("none")),
        ("WHIMBREL_LIMITS__PRE_AUTH_CONNECTIONS_MAX", String::from("none")),
        ("WHIMBREL_LIMITS__PRE_AUTH_SECS", String::from("600")),
        ("WHIMBREL_LIMITS__IDLE_SECS", String::from("3600")),
    ]);
    command.envs(setup.database.map(|database| ("WHIMBREL_STORAGE__URL", database.url())));
    Ok(command)
}
