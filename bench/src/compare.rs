//! `bench compare`: every server, every test, some rounds, one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::client::{Account, Login, Session, numbered, register};
use crate::machine::{self, Workplace, copy_folder};
use crate::peer::{self, Peer, Retention, Running};
use crate::plan::{self, Sizes, Test};
use crate::table::{Results, Row};
use crate::work;

/// Accounts made at a time; more would time out where hashing is slow.
const REGISTRATIONS_AT_A_TIME: usize = 8;

/// What `bench compare` is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// Ours and the floor only, one round of little work: to see that it works
    #[arg(long)]
    quick: bool,
    /// Rounds; the table shows medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Without the other servers
    #[arg(long)]
    ours_only: bool,
    /// Only these tests
    #[arg(long, value_delimiter = ',')]
    tests: Vec<Test>,
    /// Also write the page here
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Runs the comparison.
///
/// # Errors
/// When a server is missing, or did not do its work rightly.
pub async fn run(options: Options) -> Result<()> {
    let alone = options.quick || options.ours_only;
    let peers: &[Peer] = if alone {
        &[Peer::Whimbrel, Peer::Floor]
    } else {
        &[Peer::Whimbrel, Peer::Ejabberd, Peer::Prosody, Peer::Floor]
    };
    let versions: Vec<String> = peers.iter().map(|peer| peer.version()).collect::<Result<_>>()?;
    let sizes = if options.quick { Sizes::QUICK } else { Sizes::FULL };
    let rounds = if options.quick { 1 } else { options.rounds };
    let tests = if options.tests.is_empty() { Test::ALL } else { &options.tests };
    let mut loads = vec![machine::load()];

    let places = Places { memory: Workplace::in_memory()?, disk: Workplace::on_disk()? };
    let mut seeds = BTreeMap::new();
    for &peer in peers.iter().filter(|peer| peer.is_server()) {
        eprintln!("{peer}: making {} accounts", sizes.accounts());
        seeds.insert(peer, places.seed(peer, &sizes).await.with_context(|| format!("{peer}: accounts"))?);
    }
    let mut results = Results::default();
    let mut failures = Vec::new();
    for round in 1..=rounds {
        for &test in tests {
            for &peer in peers.iter().filter(|peer| test.is_for(**peer)) {
                loads.push(machine::load());
                let accounts = seeds.get(&peer).map(Vec::as_slice).unwrap_or_default();
                match places.measure(test, peer, accounts, &sizes).await {
                    Ok(found) => {
                        eprintln!("round {round}, {peer}: {found:.1?}");
                        found.into_iter().for_each(|(row, value)| results.add(row, peer, value));
                    }
                    Err(error) => {
                        eprintln!("round {round}, {peer}: {test:?} FAILED: {error:#}");
                        failures.push(format!("{peer}, {test:?}: {error:#}"));
                    }
                }
            }
        }
    }
    let table = results.markdown(peers)?;
    println!("{table}");
    if let Some(path) = options.output {
        let mut page = page(&table, &versions, rounds, &loads, &places.disk.file_system(), &sizes)?;
        page.push_str(&kept_of(&fs::read_to_string(&path).unwrap_or_default()));
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if failures.is_empty() { Ok(()) } else { bail!("{} tests failed:\n{}", failures.len(), failures.join("\n")) }
}

/// Where servers have their data.
struct Places {
    memory: Workplace,
    disk: Workplace,
}

impl Places {
    /// A server with accounts, stopped again: what every test begins with a copy of.
    async fn seed(&self, peer: Peer, sizes: &Sizes) -> Result<Vec<Arc<Account>>> {
        let accounts = numbered(sizes.accounts());
        let running = peer::start(peer, &self.memory.path().join(peer.to_string()), Retention::Forever).await?;
        create(&running, &accounts).await?;
        running.server.stop().await?;
        Ok(accounts)
    }

    async fn measure(
        &self,
        test: Test,
        peer: Peer,
        accounts: &[Arc<Account>],
        sizes: &Sizes,
    ) -> Result<Vec<(Row, f64)>> {
        let place = if test == Test::Durable { &self.disk } else { &self.memory };
        let dir = place.path().join("run");
        let seed = self.memory.path().join(peer.to_string());
        if seed.exists() {
            copy_folder(&seed, &dir)?;
        }
        let running = peer::start(peer, &dir, test.retention()).await?;
        let found = plan::run(test, &running, accounts, sizes).await;
        drop(running);
        fs::remove_dir_all(&dir)?;
        found
    }
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

/// The part of an earlier page that other measurements have written, below the table's.
fn kept_of(page: &str) -> String {
    page.find("\n## ").and_then(|start| page.get(start..)).unwrap_or_default().to_owned()
}

fn page(table: &str, versions: &[String], rounds: usize, loads: &[f64], disk: &str, sizes: &Sizes) -> Result<String> {
    let (date, machine, servers) = (machine::date()?, machine::description(), versions.join(", "));
    let (calmest, busiest) =
        (loads.iter().fold(f64::MAX, |a, b| a.min(*b)), loads.iter().fold(0.0_f64, |a, b| a.max(*b)));
    let Sizes { talkers, each, idle, logins, storm, offline, archives, secs } = sizes;
    let (recipients, for_each) = offline;
    let (readers, in_each) = archives;
    Ok(format!(
        "# Benchmarks

Written by `make bench` on {date}: do not edit above \"A million sessions\".

{table}
(n×) is n times ours; the last column is what we want to reach.

- **Machine**: {machine}; load average between {calmest:.1} and
  {busiest:.1} during the run, the benchmark's own included. Other programs make every number larger, so only the ratios
  of one run count.
- **Servers**: {servers}. The floor is a relay on tokio and rustls that passes the same frames on unread; its
  log-in is a TLS handshake and a line each way.
- **How**: medians of {rounds} rounds, each test with fresh processes, on loopback, over TLS unless it says
  otherwise, with one certificate for all, archive and stream management on, no rate limits. ejabberd keeps
  archive and offline messages in SQLite, Prosody in its own files.
- **CPU** is user and system time of the server's processes; the clients run beside them and are not counted.
  **Memory** is the growth of PSS divided by the sessions.
- **Data** lies in memory (tmpfs), so that CPU is compared and not a disk. The rows that say \"committed to
  disk\" ran on {disk}, with an fsync in every commit before anything was delivered. Prosody does not sync.
- **Work**: {talkers} sessions talk in pairs, each sends {each} messages of about 500 bytes; {idle} idle
  sessions; {logins} log-ins; {storm} reconnect at once; {for_each} offline messages for each of {recipients};
  {readers} archives of {in_each} messages; {secs} s at a fixed rate. Every message is checked to arrive once
  and in order, every page to be full, every archive to be complete.
- **Again**: `make bench` on Debian 12 installs what it needs and writes this page. `make bench-sessions` holds
  19,000 TLS sessions in one server, and then a million without sockets in one process.
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_leaves_the_sections_below_it_alone() {
        assert_eq!(
            kept_of("# Benchmarks\n\nthe table\n\n## A million sessions\n\n10 KiB\n"),
            "\n## A million sessions\n\n10 KiB\n"
        );
        assert_eq!(kept_of("# Benchmarks\n"), "");
    }
}
