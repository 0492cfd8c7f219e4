//! `whimbreld audit`: what administrators changed.

use clap::Args;
use storage::ArchiveId;
use storage::audit::{self, Entry};

use super::ConfigArg;
use super::output::{Failure, say};
use super::user::Accounts;
use crate::clock;
use crate::config::Config;

/// Entries read at a time.
const PAGE: u32 = 250;

#[derive(Debug, Args)]
pub(super) struct AuditArg {
    /// Show the newest so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn audit(arg: &AuditArg) -> Result<(), Failure> {
    let accounts = Accounts::open(&Config::load(&arg.config.config)?)?;
    let mut left = arg.limit;
    let mut before: Option<ArchiveId> = None;
    while left > 0 {
        let page = accounts.wait(audit::list(&accounts.host.db, before, left.min(PAGE)))?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        page.iter().for_each(|entry| say(line(entry)));
    }
    Ok(())
}

/// When, by which way and whom, what, to whom, what became of it.
fn line(entry: &Entry) -> String {
    let at = clock::xmpp_time(entry.id.at_ms());
    let actor = entry.actor.as_deref().map(|actor| format!(" {actor}")).unwrap_or_default();
    let target = entry.target.as_deref().unwrap_or("-");
    let detail = entry.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let outcome = entry.outcome.as_deref().unwrap_or("unknown");
    format!("{at} {}{actor} {} {target}{detail}: {outcome}", entry.via, entry.action)
}
