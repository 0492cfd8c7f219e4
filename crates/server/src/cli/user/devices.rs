//! `whimbreld user devices`: which devices log in to an account by name (XEP-0388), and how one loses its access.

use clap::{Args, Subcommand};
use storage::DeviceId;
use storage::devices::Device;

use super::{Accounts, Named, tell};
use crate::cli::output::{Failure, say};
use crate::clock;
use crate::control::Event;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DevicesCommand {
    /// List the devices, the one seen last first: id, first and last log-in, how it logs in, what it calls itself
    List(Named),
    /// Make a device's token void and end its sessions; without an ID those of all devices
    Revoke(Which),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    #[command(flatten)]
    named: Named,
    /// An id of the list
    #[arg(value_parser = device_id)]
    id: Option<DeviceId>,
}

pub(super) fn devices(command: &DevicesCommand) -> Result<(), Failure> {
    match command {
        DevicesCommand::List(named) => {
            let (config, localpart) = named.resolve()?;
            let accounts = Accounts::open(&config)?;
            for device in accounts.devices(&accounts.expect(&localpart)?)? {
                say(format_args!("{}", line(&device)));
            }
        }
        DevicesCommand::Revoke(which) => {
            let (config, localpart) = which.named.resolve()?;
            let accounts = Accounts::open(&config)?;
            let account = accounts.expect(&localpart)?;
            let mut knows_password = false;
            let mut revoked = 0;
            for device in accounts.devices(&account)? {
                if which.id.is_none_or(|id| id == device.id) && accounts.revoke(&localpart, device.id)? {
                    knows_password |= device.by_password;
                    revoked += 1;
                }
            }
            if let Some(id) = which.id.filter(|_| revoked == 0) {
                return Err(Failure::new(format!("{localpart}@{} has no device {id}", config.server.domain)));
            }
            tell(&config, Event::DeviceRevoked(localpart.clone(), which.id))?;
            let advice = if knows_password { "; set a new password to keep out who knows the old one" } else { "" };
            say(format_args!("revoked {revoked} of the devices of {localpart}@{}{advice}", config.server.domain));
        }
    }
    Ok(())
}

fn line(device: &Device) -> String {
    let how = match (device.by_password, device.has_token) {
        (true, true) => "password,token",
        (true, false) => "password",
        (false, true) => "token",
        (false, false) => "nothing",
    };
    let (software, name) = (device.software.as_deref().unwrap_or("-"), device.name.as_deref().unwrap_or("-"));
    let (first, last) = (clock::xmpp_time(device.first_seen_ms), clock::xmpp_time(device.last_seen_ms));
    format!("{} {first} {last} {how} {software} on {name}", device.id)
}

fn device_id(text: &str) -> Result<DeviceId, String> {
    DeviceId::parse(text).ok_or_else(|| String::from("an id of \"user devices list\" is needed: 16 hexadecimal digits"))
}
