//! `whimbreld user import`: accounts from files of XEP-0227, our own, ejabberd's or Prosody's.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{ACTOR, Accounts, tell};
use crate::admin::{Action, Change, Error, recorded};
use crate::cli::ConfigArg;
use crate::cli::output::{Failure, say};
use crate::clock;
use crate::config::{Config, Retention};
use crate::control::Event;
use crate::portable::{Import as Importer, Imported, News};

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// Files of XEP-0227; what they include must lie in their folders
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Add to accounts that exist, instead of refusing them; what they have stays
    #[arg(long)]
    merge: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(arg: &Import) -> Result<(), Failure> {
    let config = Config::load(&arg.config.config)?;
    let accounts = Accounts::open(&config)?;
    let mut untold = None;
    let mut refused = 0;
    for file in &arg.files {
        let import = Importer {
            db: &accounts.db,
            domain: &config.server.domain,
            keeps_history: config.archive.retention != Retention::UntilDelivered,
            merge: arg.merge,
            now_ms: clock::now_ms(),
        };
        let mut hear = |news| match news {
            News::Refused(refusal) => eprintln!("refused: {}: {}", refusal.account, refusal.what),
            News::Complete(localpart) => {
                // The accounts that follow are worth importing all the same.
                untold = tell(&config, Event::AccountImported(localpart)).err().or(untold.take());
            }
        };
        let change = Change::of(Action::AccountImport);
        let work = async { import.file(file, &mut hear).await.map_err(|error| Error::Unusable(error.to_string())) };
        let imported = accounts.wait(recorded(&accounts.host, &ACTOR, change, work))?;
        report(&imported);
        refused += imported.accounts_refused + imported.entries_refused;
    }
    match untold {
        Some(failure) => Err(failure),
        None if refused > 0 => Err(Failure::new(format!("{refused} things were refused, as said above"))),
        None => Ok(()),
    }
}

fn report(imported: &Imported) {
    for (what, count) in &imported.ignored {
        eprintln!("ignored: {what}, {count} times: this server has no place for it");
    }
    say(format_args!(
        "imported {} accounts with {} messages; {} messages were here already",
        imported.accounts, imported.messages, imported.messages_known
    ));
}
