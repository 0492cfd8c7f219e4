//! `whimbreld migrate`: brings the database's schema to the newest version, as every start does, or says what that
//! would run.

use std::path::Path;

use storage::{Db, Options, migrations};

use super::init::private_dir;
use super::output::{Failure, say};
use crate::config::Config;
use crate::run::database_options;

pub(super) fn migrate(file: &Path, dry_run: bool) -> Result<(), Failure> {
    let config = Config::load(file)?;
    let options = Options { readers: 1, remote_readers: 1, ..database_options(&config)? };
    let (url, data_dir) = (&config.storage.url, &config.server.data_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pending = runtime.block_on(migrations::pending(url, data_dir, options.password.as_ref()))?;
    if pending.is_empty() {
        say(format_args!("nothing to do: the schema is the newest"));
        return Ok(());
    }
    if !dry_run {
        private_dir(data_dir)?;
        runtime.block_on(async {
            Db::open(url, data_dir, &options).await?.close().await;
            Ok::<_, storage::Error>(())
        })?;
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
