//! `whimbreld backup`: everything in the database, to a folder or an S3 store and back.

use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;

use blob::{Credentials, Store};
use clap::{Args, Subcommand};
use storage::{Db, Options};

use super::ConfigArg;
use super::init::private_dir;
use super::output::{Failure, say};
use crate::backup::{self, Manifest, Secrets, limits};
use crate::clock;
use crate::config::Config;
use crate::control::DataDirLock;
use crate::run::database_options;

#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Make a backup, while the server runs or not
    Create {
        /// Where to: a folder, or s3://BUCKET[/PREFIX]?endpoint=URL&region=REGION
        #[arg(long, value_name = "URL_OR_DIR")]
        to: String,
        /// Remove all but the newest so many backups afterwards
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        #[command(flatten)]
        passphrase: PassphraseArg,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Fill an empty database from a backup; the server must be stopped
    Restore {
        #[command(flatten)]
        from: From,
        /// Replace what is in the database
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// List the backups of a place, the oldest first
    List {
        /// Where they are
        #[arg(long, value_name = "URL_OR_DIR")]
        from: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Read a backup from end to end, and show what it holds
    Verify {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// One backup of a place.
#[derive(Debug, Args)]
pub(super) struct From {
    /// Where the backups are: a folder, or s3://BUCKET[/PREFIX]?endpoint=URL&region=REGION
    #[arg(long, value_name = "URL_OR_DIR")]
    from: String,
    /// Its name, as `backup list` shows it; the newest one unless given
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArg,
}

#[derive(Debug, Args)]
pub(super) struct PassphraseArg {
    /// Lock with, or unlock by, a passphrase instead of the master key: the first line of standard input
    #[arg(long)]
    passphrase_stdin: bool,
}

pub(super) fn backup(command: &BackupCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match command {
        BackupCommand::Create { to, keep, passphrase, config } => {
            let config = Config::load(&config.config)?;
            runtime.block_on(create(&config, &place(to)?, &secrets(&config, passphrase)?, *keep))
        }
        BackupCommand::Restore { from, force, config } => {
            let config = Config::load(&config.config)?;
            runtime.block_on(restore(&config, from, *force))
        }
        BackupCommand::List { from, config } => {
            Config::load(&config.config)?;
            runtime.block_on(list(&place(from)?))
        }
        BackupCommand::Verify { from, config } => {
            let config = Config::load(&config.config)?;
            runtime.block_on(verify(&config, from))
        }
    }
}

async fn create(config: &Config, to: &Store, secrets: &Arc<Secrets>, keep: Option<u32>) -> Result<(), Failure> {
    let db = database(config, false).await?;
    let now_ms = clock::now_ms();
    // Media of the deployment will be the second argument.
    let created = backup::create(&db, None, to, Arc::clone(secrets), config.server.domain.as_str(), now_ms).await;
    db.close().await;
    let (id, manifest) = created?;
    say(format_args!("made backup {id} in {to}: {}", summary(&manifest)));
    if let Some(keep) = keep {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        for removed in backup::prune(to, keep, secrets, now_ms).await? {
            say(format_args!("removed backup {removed}"));
        }
    }
    Ok(())
}

async fn restore(config: &Config, from: &From, force: bool) -> Result<(), Failure> {
    private_dir(&config.server.data_dir)?;
    let _lock = DataDirLock::acquire(&config.server.data_dir)?;
    let place = place(&from.from)?;
    let backup = backup::open(&place, from.backup.as_deref(), secrets(config, &from.passphrase)?).await?;
    if backup.manifest.domain != config.server.domain.as_str() {
        let (id, domain) = (backup.id.clone(), backup.manifest.domain.clone());
        return Err(backup::Error::Domain { id, domain }.into());
    }
    let db = database(config, true).await?;
    let restored = backup::restore(&backup, &db, None, force).await;
    db.close().await;
    let gone = Some(restored?);
    say(format_args!("restored backup {}: {}, every hash as in its manifest", backup.id, summary(&backup.manifest)));
    say_gone(gone);
    Ok(())
}

async fn list(place: &Store) -> Result<(), Failure> {
    place.check().await?;
    for listed in backup::list(place).await? {
        let state = if listed.is_whole { "" } else { "  never finished" };
        say(format_args!("{}  {}  {} bytes{state}", listed.id, clock::xmpp_time(listed.at_ms), listed.bytes));
    }
    Ok(())
}

async fn verify(config: &Config, from: &From) -> Result<(), Failure> {
    let place = place(&from.from)?;
    let backup = backup::open(&place, from.backup.as_deref(), secrets(config, &from.passphrase)?).await?;
    let gone = backup::verify(&backup).await?;
    let manifest = &backup.manifest;
    say(format_args!("backup {} of {} at {}", backup.id, manifest.domain, clock::xmpp_time(manifest.at_ms)));
    say(format_args!("made by whimbreld {}, schema version {}", manifest.made_by, manifest.schema));
    for table in &manifest.tables {
        say(format_args!("{} rows {} sha256 {}", table.table, table.rows, table.sha256));
    }
    say(format_args!("everything is there: {}", summary(manifest)));
    say_gone(gone);
    Ok(())
}

/// Accounts of a backup whose keys are destroyed.
fn say_gone(accounts: Option<u64>) {
    match accounts {
        None => say("the accounts' keys were not looked at: the master key opens them, a passphrase does not"),
        Some(0) => {}
        Some(1) => say("1 account was deleted since then: nothing opens what it had, a restore leaves it out"),
        Some(accounts) => say(format_args!(
            "{accounts} accounts were deleted since then: nothing opens what they had, a restore leaves them out"
        )),
    }
}

fn summary(manifest: &Manifest) -> String {
    let accounts = manifest.tables.iter().find(|table| table.table == "accounts").map_or(0, |table| table.rows);
    format!("{accounts} accounts, {} rows, {} media, {} bytes", manifest.rows(), manifest.media, manifest.bytes)
}

async fn database(config: &Config, filling: bool) -> Result<Db, Failure> {
    private_dir(&config.server.data_dir)?;
    let options = Options { readers: 1, remote_readers: 1, filling, ..database_options(config)? };
    Ok(Db::open(&config.storage.url, &config.server.data_dir, &options).await?)
}

/// A URL, or a folder as the shell names it.
fn place(text: &str) -> Result<Store, Failure> {
    let is_url = text.starts_with("file:") || text.contains("://");
    let url = if is_url { text.to_owned() } else { format!("file:{text}") };
    Ok(Store::open(&url, Path::new(""), Credentials::from_env())?)
}

fn secrets(config: &Config, passphrase: &PassphraseArg) -> Result<Arc<Secrets>, Failure> {
    let master_keys = Some(config.keys.master_key.read()?);
    let passphrase = if passphrase.passphrase_stdin { Some(read_passphrase()?) } else { None };
    Ok(Arc::new(Secrets { master_keys, passphrase }))
}

fn read_passphrase() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Passphrase: ")?);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(limits::PASSPHRASE_BYTES_MAX).read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::new("there is no passphrase on standard input: write it as its first line")),
        passphrase => Ok(passphrase.to_owned()),
    }
}
