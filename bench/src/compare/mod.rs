//! `bench compare`: every server, every test, some rounds, two tables on one page.

mod databases;
mod page;
mod sealing;
mod servers;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::client::{Account, Login, Session, register};
use crate::machine;
use crate::peer::Running;
use crate::plan::Test;
use crate::work;

/// Accounts made at a time; more would time out where hashing is slow.
const REGISTRATIONS_AT_A_TIME: usize = 8;

/// What `bench compare` is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// Ours and the floor only, one round of little work: to see that it works
    #[arg(long)]
    quick: bool,
    /// Rounds; the tables show medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Without the other servers
    #[arg(long)]
    ours_only: bool,
    /// Only this table
    #[arg(long)]
    only: Option<Table>,
    /// Only these tests
    #[arg(long, value_delimiter = ',')]
    tests: Vec<Test>,
    /// Also write the page here; what stands below the tables stays
    #[arg(long)]
    output: Option<PathBuf>,
}

/// A table of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Table {
    /// Servers with what they come with.
    Servers,
    /// Ours on three databases, and ejabberd on one of them.
    Databases,
}

impl Options {
    /// Without servers that others wrote.
    fn alone(&self) -> bool {
        self.quick || self.ours_only
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    fn tests<'a>(&'a self, all: &'a [Test]) -> Vec<Test> {
        let wanted = |test: &Test| self.tests.is_empty() || self.tests.contains(test);
        all.iter().copied().filter(wanted).collect()
    }
}

/// Runs the comparison.
///
/// # Errors
/// When a server is missing, or did not do its work rightly.
pub async fn run(options: Options) -> Result<()> {
    let mut failures = Vec::new();
    let mut text = match &options.output {
        Some(path) => fs::read_to_string(path).unwrap_or_default(),
        None => String::new(),
    };
    // To see that everything works, each table is a test of its own.
    if options.only != Some(Table::Databases) {
        let table = servers::run(&options, &mut failures).await?;
        text = page::with_table(&table, &text);
    }
    if options.only == Some(Table::Databases) || (options.only.is_none() && !options.alone()) {
        let table = databases::run(&options, &mut failures).await?;
        text = page::with_section(databases::TITLE, &table, &text);
    }
    if let Some(path) = &options.output {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if failures.is_empty() { Ok(()) } else { bail!("{} tests failed:\n{}", failures.len(), failures.join("\n")) }
}

/// Registers all accounts, and logs each in once: after that its keys are known and log-ins hash nothing.
pub async fn create(running: &Running, accounts: &[Arc<Account>]) -> Result<()> {
    let target = running.target(true);
    work::each(accounts.to_vec(), REGISTRATIONS_AT_A_TIME, |account| async move {
        register(target, &account).await?;
        Session::online(Login { target, sm: false }, &account).await?.close().await
    })
    .await?;
    Ok(())
}

/// How busy the machine was, from the calmest moment to the busiest.
#[derive(Debug)]
struct Loads {
    calmest: f64,
    busiest: f64,
}

impl Loads {
    fn new() -> Self {
        let load = machine::load();
        Self { calmest: load, busiest: load }
    }

    fn look(&mut self) {
        let load = machine::load();
        self.calmest = self.calmest.min(load);
        self.busiest = self.busiest.max(load);
    }
}
