//! `whimbreld user`: accounts from the command line. A change goes to the database first, then a
//! running server is told over its control socket.

mod accounts;
mod devices;
mod export;
mod import;
mod uploads;

use clap::{Args, Subcommand};
use jid::{DomainRef, NodePart};
use storage::owned::Owned;
use xmpp::sasl::Password;

use super::output::{Failure, say};
use super::{ConfigArg, password};
use crate::clock;
use crate::config::Config;
use crate::control::{self, Event, Told};

pub(super) use accounts::{ACTOR, Accounts};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create an account
    Add(WithPassword),
    /// Set a new password
    Passwd(WithPassword),
    /// Keep an account from logging in, and end its sessions
    Disable(Named),
    /// Let a disabled account log in again
    Enable(Named),
    /// Delete an account and all it owns, for good, and report what that was
    Delete(Delete),
    /// List all accounts, one a line, in the order in which they were created
    List(ConfigArg),
    /// Show what is known of an account
    Show(Named),
    /// Write accounts to a file that other servers can read (XEP-0227), or one person's data as a ZIP
    Export(export::Export),
    /// Create accounts from a file that this or another server wrote (XEP-0227)
    Import(import::Import),
    /// List the devices of an account, and take their access away
    #[command(subcommand)]
    Devices(devices::DevicesCommand),
    /// List what an account has uploaded, and remove it
    #[command(subcommand)]
    Uploads(uploads::UploadsCommand),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// alice, or alice@example.org
    jid: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    named: Named,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct WithPassword {
    #[command(flatten)]
    named: Named,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

pub(super) fn user(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add(arg) => {
            let (config, localpart) = arg.named.resolve()?;
            add(&config, &localpart, &password::ask(arg.password_stdin)?)?;
            say(format_args!("added {localpart}@{}", config.server.domain));
        }
        UserCommand::Passwd(arg) => {
            let (config, localpart) = arg.named.resolve()?;
            // An account that is not there should be said before a password is asked for.
            let accounts = Accounts::open(&config)?;
            accounts.expect(&localpart)?;
            accounts.set_password(&localpart, &password::ask(arg.password_stdin)?)?;
            tell(&config, Event::AccountChanged(localpart.clone()))?;
            say(format_args!("changed the password of {localpart}@{}", config.server.domain));
        }
        UserCommand::Disable(named) => {
            let (config, localpart) = named.resolve()?;
            Accounts::open(&config)?.set_disabled(&localpart, true)?;
            tell(&config, Event::AccountDisabled(localpart.clone()))?;
            say(format_args!("disabled {localpart}@{}", config.server.domain));
        }
        UserCommand::Enable(named) => {
            let (config, localpart) = named.resolve()?;
            Accounts::open(&config)?.set_disabled(&localpart, false)?;
            tell(&config, Event::AccountChanged(localpart.clone()))?;
            say(format_args!("enabled {localpart}@{}", config.server.domain));
        }
        UserCommand::Delete(arg) => {
            let (config, localpart) = arg.named.resolve()?;
            let owned = delete(&config, &localpart)?;
            report(&format!("{localpart}@{}", config.server.domain), &owned, arg.json);
        }
        UserCommand::Export(arg) => export::run(&arg)?,
        UserCommand::Import(arg) => import::run(&arg)?,
        UserCommand::List(arg) => list(&Config::load(&arg.config)?)?,
        UserCommand::Devices(command) => devices::devices(&command)?,
        UserCommand::Uploads(command) => uploads::uploads(&command)?,
        UserCommand::Show(named) => {
            let (config, localpart) = named.resolve()?;
            show(&config, &localpart)?;
        }
    }
    Ok(())
}

/// Makes sure that an account exists; its password is set only when it is made.
pub(super) fn ensure(config: &Config, localpart: &NodePart, password: &Password) -> Result<(), Failure> {
    let accounts = Accounts::open(config)?;
    match accounts.find(localpart)? {
        Some(_) => Ok(()),
        None => accounts.create(localpart, password),
    }
}

fn add(config: &Config, localpart: &NodePart, password: &Password) -> Result<(), Failure> {
    Accounts::open(config)?.create(localpart, password)?;
    tell(config, Event::AccountChanged(localpart.clone()))
}

/// Deletes an account; what it owned.
fn delete(config: &Config, localpart: &NodePart) -> Result<Owned, Failure> {
    let accounts = Accounts::open(config)?;
    let owned = accounts.owned(&accounts.expect(localpart)?)?;
    // A running server does it itself: it knows who is to be told.
    match control::tell(&config.server.data_dir, &Event::DeleteAccount(localpart.clone())) {
        Ok(Told::Done) => Ok(owned),
        Ok(Told::NotRunning) => accounts.delete(localpart),
        Err(problem) => Err(Failure::new(format!("nothing was deleted: {problem}"))),
    }
}

fn report(jid: &str, owned: &Owned, json: bool) {
    if json {
        let counts: serde_json::Map<_, _> =
            owned.kinds().into_iter().map(|(kind, count)| (kind.to_owned(), count.into())).collect();
        say(serde_json::json!({ "deleted": jid, "removed": counts }));
        return;
    }
    let counts = owned.kinds().into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    let removed = if counts.is_empty() { String::from("nothing") } else { counts.join(", ") };
    say(format_args!("deleted {jid}; removed with it: {removed}"));
    say("backups open it until the next `whimbreld backup create` to where they are");
}

fn list(config: &Config) -> Result<(), Failure> {
    Accounts::open(config)?.for_each(|account| {
        let state = if account.disabled { " disabled" } else { "" };
        say(format_args!("{}@{}{state}", account.localpart, config.server.domain));
    })
}

fn show(config: &Config, localpart: &NodePart) -> Result<(), Failure> {
    let accounts = Accounts::open(config)?;
    let account = accounts.expect(localpart)?;
    let uploads = accounts.upload_usage(&account)?;
    say(format_args!("jid        {localpart}@{}", config.server.domain));
    say(format_args!("state      {}", if account.disabled { "disabled" } else { "enabled" }));
    say(format_args!("created    {}", clock::xmpp_time(account.created_at_ms)));
    let last_seen = account.last_seen.map_or_else(|| String::from("never"), |seen| clock::xmpp_time(seen.at_ms));
    say(format_args!("last seen  {last_seen}"));
    let (taken, quota) = (uploads.bytes.saturating_add(uploads.slot_bytes), config.media.quota);
    say(format_args!("uploads    {} files, {} open slots, {taken} of {quota} bytes", uploads.files, uploads.slots));
    Ok(())
}

impl Named {
    fn resolve(&self) -> Result<(Config, NodePart), Failure> {
        let config = Config::load(&self.config.config)?;
        let localpart = localpart(&self.jid, &config.server.domain)?;
        Ok((config, localpart))
    }
}

/// `alice` or `alice@domain`, the domain being ours.
pub(super) fn localpart(text: &str, domain: &DomainRef) -> Result<NodePart, Failure> {
    let (name, host) = text.split_once('@').unwrap_or((text, domain.as_str()));
    let localpart = xmpp::address::localpart(name)
        .ok_or_else(|| Failure::new(format!("\"{}\" cannot be the name of an account", name.escape_debug())))?;
    match jid::DomainPart::new(host) {
        Ok(host) if *host == *domain => Ok(localpart),
        _ => Err(Failure::new(format!("this server serves {domain}, not \"{}\"", host.escape_debug()))),
    }
}

/// Tells a running server. When it cannot be told, the change is made all the same.
fn tell(config: &Config, event: Event) -> Result<(), Failure> {
    match control::tell(&config.server.data_dir, &event) {
        Ok(Told::Done | Told::NotRunning) => Ok(()),
        Err(problem) => Err(Failure::new(format!("the change is stored, but {problem}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(dir: &Path) -> Config {
        let key = [(String::from("WHIMBREL_KEYS__MASTER_KEY"), "ab".repeat(32))];
        Config::from_text("[server]\ndomain = \"example.org\"\n", &dir.join("whimbrel.toml"), &key).unwrap()
    }

    fn name(text: &str) -> NodePart {
        localpart(text, &config(Path::new(".")).server.domain).unwrap()
    }

    #[test]
    fn names_are_taken_with_and_without_our_domain() {
        let domain = config(Path::new(".")).server.domain;
        let refusal = |text: &str| localpart(text, &domain).unwrap_err().to_string();
        assert_eq!(name("Alice"), name("alice@Example.org"));
        assert_eq!(refusal("alice@example.com"), "this server serves example.org, not \"example.com\"");
        assert_eq!(refusal("alice@example.org/phone"), "this server serves example.org, not \"example.org/phone\"");
        assert_eq!(refusal("@example.org"), "\"\" cannot be the name of an account");
        assert_eq!(refusal("a b"), "\"a b\" cannot be the name of an account");
    }

    #[test]
    fn an_account_lives_from_add_to_delete() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let (alice, secret) = (name("alice"), password::prepare("correct horse").unwrap());
        add(&config, &alice, &secret).unwrap();
        assert_eq!(add(&config, &alice, &secret).unwrap_err().to_string(), "alice@example.org exists already");
        ensure(&config, &alice, &secret).unwrap();

        let accounts = Accounts::open(&config).unwrap();
        let before = accounts.expect(&alice).unwrap();
        accounts.set_password(&alice, &password::prepare("battery staple").unwrap()).unwrap();
        assert_ne!(accounts.expect(&alice).unwrap().credentials, before.credentials);
        accounts.set_disabled(&alice, true).unwrap();
        assert!(accounts.expect(&alice).unwrap().disabled);
        drop(accounts);

        delete(&config, &alice).unwrap();
        assert_eq!(delete(&config, &alice).unwrap_err().to_string(), "there is no account alice@example.org");
    }

    #[test]
    fn a_long_list_is_complete_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let accounts = Accounts::open(&config).unwrap();
        let secret = password::prepare("correct horse").unwrap();
        let names: Vec<String> = (0..7).map(|number| format!("user{number}")).collect();
        for localpart in &names {
            accounts.create(&name(localpart), &secret).unwrap();
        }
        let mut listed = Vec::new();
        accounts.for_each_paged(3, |account| listed.push(account.localpart.clone())).unwrap();
        assert_eq!(listed, names);
        assert_eq!(accounts.count().unwrap(), 7);
    }
}
