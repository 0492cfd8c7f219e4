//! `whimbreld migrate`: brings the database's schema to the newest version, as every start does, or says what that would
//! run. With `--to` it copies a deployment into another database.
//!
//! Run while the server runs, the copy is of a snapshot; run again with the server stopped, it copies what changed since
//! and compares both. Each run writes only what differs, so that the stop is short, and one that broke off is run again.

use clap::Args;
use storage::migrations::{self, Migration};
use storage::tables::{self, TABLES};
use storage::{Db, Options};

use super::ConfigArg;
use super::init::private_dir;
use super::output::{Failure, say};
use crate::config::Config;
use crate::control::{DataDirLock, LockError};
use crate::run::database_options;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Only print what would be run
    #[arg(long, conflicts_with = "to")]
    dry_run: bool,
    /// Copy everything into this database, named as storage.url is
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Replace what is in that database, even if it is of another deployment
    #[arg(long, requires = "to")]
    force: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn migrate(args: &MigrateArgs) -> Result<(), Failure> {
    let config = Config::load(&args.config.config)?;
    let options = Options { readers: 1, remote_readers: 1, ..database_options(&config)? };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match &args.to {
        Some(to) => runtime.block_on(copy_to(to, &config, &options, args.force)),
        None => runtime.block_on(bring_up_to_date(&config, &options, args.dry_run)),
    }
}

/// What the next start would run; nothing is changed.
pub(super) fn pending(config: &Config) -> Result<Vec<Migration>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = database_options(config)?;
    let (url, data_dir) = (&config.storage.url, &config.server.data_dir);
    Ok(runtime.block_on(migrations::pending(url, data_dir, options.password.as_ref()))?)
}

async fn bring_up_to_date(config: &Config, options: &Options, dry_run: bool) -> Result<(), Failure> {
    let (url, data_dir) = (&config.storage.url, &config.server.data_dir);
    let pending = migrations::pending(url, data_dir, options.password.as_ref()).await?;
    if pending.is_empty() {
        say(format_args!("nothing to do: the schema is the newest"));
        return Ok(());
    }
    if !dry_run {
        private_dir(data_dir)?;
        Db::open(url, data_dir, options).await?.close().await;
    }
    for migration in pending {
        let (version, name) = (migration.version, migration.name);
        if dry_run {
            say(format_args!("-- {version} {name}\n{}", migration.sql.trim_end()));
        } else {
            say(format_args!("{version} {name}"));
        }
    }
    Ok(())
}

async fn copy_to(url: &str, config: &Config, options: &Options, force: bool) -> Result<(), Failure> {
    if url == config.storage.url {
        return Err(Failure::new("--to is the database in use: name another one"));
    }
    private_dir(&config.server.data_dir)?;
    // Held to the end: nobody writes to the old database after the two were compared.
    let lock = match DataDirLock::acquire(&config.server.data_dir) {
        Ok(lock) => Some(lock),
        Err(LockError::Held { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let from = Db::open(&config.storage.url, &config.server.data_dir, options).await?;
    // The configured password is that of the database in use.
    let options = Options { password: None, filling: true, ..options.clone() };
    let to = Db::open(url, &config.server.data_dir, &options).await?;
    let copied = copy(&from, &to, force, lock.is_some()).await;
    tokio::join!(from.close(), to.close());
    let written = copied?;
    if lock.is_none() {
        say(format_args!("copied {written} rows; the server still runs and writes to the old database"));
        say("next: stop the server and run the same command again, which copies what changed");
    } else {
        say(format_args!("copied {written} rows, counts and hashes of all {} tables are equal", TABLES.len()));
        say(format_args!("next: set storage.url to the new database in {} and start", config.file.display()));
    }
    Ok(())
}

/// Returns how many rows were written. Only what `is_final` is compared: the old database may change meanwhile.
async fn copy(from: &Db, to: &Db, force: bool, is_final: bool) -> Result<u64, Failure> {
    let (source, target) = (from.snapshot().await?, to.snapshot().await?);
    if !force && !tables::is_copy(&source, &target).await? {
        return Err(Failure::new(
            "the new database holds another deployment: name an empty one, or replace it with --force",
        ));
    }
    // Until the last run has compared the two: a server that started on it before would not have what changed since.
    tables::begin_filling(to, "migrate --to").await?;
    let mut written: u64 = 0;
    for table in TABLES {
        written = written.saturating_add(tables::merge(&source, &target, to, table).await?);
    }
    tables::keep_accounts_past(to, tables::highest_account(&source).await?).await?;
    drop(target);
    if is_final {
        let target = to.snapshot().await?;
        for table in TABLES {
            let (old, new) = (tables::sum(&source, table).await?, tables::sum(&target, table).await?);
            if old != new {
                let what = format!("table {} has {} rows there and {} here", table.name, new.rows, old.rows);
                return Err(Failure::new(format!("the copies differ, keep the old database: {what}")));
            }
        }
        tables::end_filling(to).await?;
    }
    Ok(written)
}
