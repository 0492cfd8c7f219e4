//! `whimbreld keys rotate`: another master key. Only the wrapped keys change, no data is touched; a running server goes
//! on. Interrupted anywhere, everything still opens, and the same command goes on where it was.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::Subcommand;
use storage::{Db, MasterKeys, Options, Rotated};
use tokio::runtime::Runtime;

use super::ConfigArg;
use super::init::private_dir;
use super::output::{Failure, file_failure, say};
use crate::admin::{Action, Actor, Change, recorded};
use crate::config::{Config, MasterKeySource, master_key};
use crate::control::{self, Event};
use crate::host::Host;
use crate::run::database_options;

/// Locked while a rotation runs, so that two of them do not make a key each.
const LOCK: &str = "rotate.lock";

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Put a new master key in the place of the old one
    Rotate(ConfigArg),
}

pub(super) fn keys(command: &KeysCommand) -> Result<(), Failure> {
    let KeysCommand::Rotate(arg) = command;
    rotate(&Config::load(&arg.config)?)
}

fn rotate(config: &Config) -> Result<(), Failure> {
    private_dir(&config.server.data_dir)?;
    let _lock = lock(&config.server.data_dir.join(LOCK))?;
    let runtime = &tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let source = &config.keys.master_key;
    let found = source.read()?;
    let is_one = found.fingerprints().len() == 1;
    match source {
        MasterKeySource::File(path) => {
            // Several are what an interrupted rotation left: the first of them is the new one.
            let keys = if is_one { found.after(&MasterKeys::generate()?) } else { found };
            // Before anything is wrapped with the new one; whether a wrong old one opens the database, too.
            let db = open(runtime, config, &keys)?;
            master_key::replace(path, &keys)?;
            let rotated = wrap(runtime, config, &db, &keys)?;
            master_key::replace(path, &keys.wrapping())?;
            say(format_args!("{}; keep a copy of {} elsewhere", summary(&rotated), path.display()));
        }
        _ if is_one => {
            return Err(Failure::new(format!(
                "{} has one key: put a new one before it, with a comma between them (`openssl rand -hex 32` makes \
                 one), restart the server with both, then run this again",
                source.place()
            )));
        }
        _ => {
            let rotated = wrap(runtime, config, &open(runtime, config, &found)?, &found)?;
            say(format_args!("{}; all keys after the first can go from {}", summary(&rotated), source.place()));
        }
    }
    Ok(())
}

fn open(runtime: &Runtime, config: &Config, keys: &MasterKeys) -> Result<Db, Failure> {
    let options = Options { readers: 1, remote_readers: 1, master_keys: keys.clone(), ..database_options(config)? };
    Ok(runtime.block_on(Db::open(&config.storage.url, &config.server.data_dir, &options))?)
}

fn wrap(runtime: &Runtime, config: &Config, db: &Db, keys: &MasterKeys) -> Result<Rotated, Failure> {
    if let Some(first) = keys.fingerprints().first() {
        control::tell(&config.server.data_dir, &Event::MasterKeyChanged(*first)).map_err(|problem| {
            Failure::new(format!(
                "the running server does not have the new master key ({problem}): restart it with both, then run this \
                 again"
            ))
        })?;
    }
    let host = Host::new(config.clone(), db.clone(), None, [0; 32]);
    let change = Change::of(Action::MasterKeyRotate);
    let rotating = async { Ok(storage::rotate(db, keys).await?) };
    let rotated = runtime.block_on(recorded(&host, &Actor::CommandLine, change, rotating));
    runtime.block_on(db.close());
    Ok(rotated?)
}

fn summary(rotated: &Rotated) -> String {
    let Rotated { fingerprint, accounts } = rotated;
    let plural = if *accounts == 1 { "" } else { "s" };
    format!("the master key is now {fingerprint}; the keys of {accounts} account{plural} were wrapped again")
}

fn lock(path: &Path) -> Result<fs::File, Failure> {
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(|error| file_failure("open", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::new("another rotation is running: wait for it")),
        Err(fs::TryLockError::Error(error)) => Err(file_failure("lock", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::user::Accounts;

    const KEYS: [&str; 2] = ["WHIMBREL_KEYS__MASTER_KEY", "WHIMBREL_KEYS__MASTER_KEY_COMMAND"];

    fn config(dir: &Path, variables: &[(&str, String)]) -> Config {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Config::from_text("[server]\ndomain = \"example.org\"\n", &dir.join("whimbrel.toml"), &variables).unwrap()
    }

    fn accounts(config: &Config) -> Result<u64, String> {
        Accounts::open(config).and_then(|accounts| accounts.count()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_file_gets_a_new_key_and_the_old_one_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let file = dir.path().join("master.key");
        master_key::create(&file).unwrap();
        assert_eq!(accounts(&config), Ok(0));
        let old = fs::read_to_string(&file).unwrap();
        rotate(&config).unwrap();
        let new = fs::read_to_string(&file).unwrap();
        assert!(new.lines().count() == 1 && new != old);
        assert_eq!(accounts(&config), Ok(0));
        fs::write(&file, &old).unwrap();
        let refusal = accounts(&config).unwrap_err();
        assert!(refusal.contains("the master key does not open this database"), "{refusal}");
        assert!(rotate(&config).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), old, "a refused rotation changes nothing");

        // Interrupted after it wrote the file, a rotation goes on with the key that it had made.
        fs::write(&file, format!("{old}{new}")).unwrap();
        rotate(&config).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), old);
        assert_eq!(accounts(&config), Ok(0));
    }

    #[test]
    fn other_sources_need_both_keys() {
        let (old, new) = ("ab".repeat(32), "cd".repeat(32));
        for (name, text) in KEYS.into_iter().zip(["", "echo "]) {
            let dir = tempfile::tempdir().unwrap();
            let with = |keys: &str| config(dir.path(), &[(name, format!("\"{text}{keys}\""))]);
            assert_eq!(accounts(&with(&old)), Ok(0));
            let refusal = rotate(&with(&old)).unwrap_err().to_string();
            assert!(refusal.contains("put a new one before it"), "{refusal}");
            rotate(&with(&format!("{new},{old}"))).unwrap();
            assert_eq!(accounts(&with(&new)), Ok(0));
            assert!(accounts(&with(&old)).is_err());
        }
    }

    #[test]
    fn two_rotations_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[(KEYS[0], "ab".repeat(32))]);
        private_dir(&config.server.data_dir).unwrap();
        let _held = lock(&config.server.data_dir.join(LOCK)).unwrap();
        assert_eq!(rotate(&config).unwrap_err().to_string(), "another rotation is running: wait for it");
    }
}
