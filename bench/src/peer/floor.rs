//! The relay, as a process of its own.

use std::process::Command;

use anyhow::Result;

use super::Setup;

pub(super) fn command(setup: &Setup<'_>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("relay").args(["--tcp", &setup.tcp.to_string(), "--tls", &setup.tls.to_string()]);
    command.arg("--cert").arg(&setup.cert).arg("--key").arg(&setup.key);
    Ok(command)
}
