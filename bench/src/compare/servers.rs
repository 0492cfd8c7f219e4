//! The first table: every server with what it comes with.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{Loads, Options, create};
use crate::client::{Account, numbered};
use crate::machine::{self, Workplace, copy_folder};
use crate::peer::{self, Figure, Peer, Retention};
use crate::plan::{self, Sizes, Test};
use crate::table::{Results, Row};

/// Measures, prints the table, and returns the part of the page that it stands in.
pub(super) async fn run(options: &Options, failures: &mut Vec<String>) -> Result<String> {
    let peers: &[Peer] = if options.alone() {
        &[Peer::Whimbrel, Peer::Floor]
    } else {
        &[Peer::Whimbrel, Peer::Ejabberd, Peer::Prosody, Peer::Floor]
    };
    let versions: Vec<String> = peers.iter().map(|peer| peer.version()).collect::<Result<_>>()?;
    let sizes = if options.quick { Sizes::QUICK } else { Sizes::FULL };
    let mut loads = Loads::new();

    let places = Places { memory: Workplace::in_memory()?, disk: Workplace::on_disk()? };
    let mut seeds = BTreeMap::new();
    for &peer in peers.iter().filter(|peer| peer.is_server()) {
        eprintln!("{peer}: making {} accounts", sizes.accounts());
        seeds.insert(peer, places.seed(peer, &sizes).await.with_context(|| format!("{peer}: accounts"))?);
    }
    let mut results = Results::default();
    for round in 1..=options.rounds() {
        for test in options.tests(Test::ALL) {
            for &peer in peers.iter().filter(|peer| test.is_for(**peer)) {
                loads.look();
                let accounts = seeds.get(&peer).map(Vec::as_slice).unwrap_or_default();
                let found = places.measure(test, peer, accounts, &sizes).await;
                results.take((round, test, peer), found, failures);
            }
        }
    }
    let table = results.markdown(peers)?;
    println!("{table}");
    page(&table, &versions, options.rounds(), &loads, &places.disk.file_system(), &sizes)
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
    ) -> Result<Vec<(Row, Figure)>> {
        let place = if test == Test::Durable { &self.disk } else { &self.memory };
        let dir = place.path().join("run");
        let seed = self.memory.path().join(peer.to_string());
        if seed.exists() {
            copy_folder(&seed, &dir)?;
        }
        let running = peer::start(peer, &dir, test.retention()).await?;
        let found = plan::run(test, &running, accounts, sizes).await;
        running.end()?;
        fs::remove_dir_all(&dir)?;
        found
    }
}

fn page(table: &str, versions: &[String], rounds: usize, loads: &Loads, disk: &str, sizes: &Sizes) -> Result<String> {
    let (date, machine, servers) = (machine::date()?, machine::description(), versions.join(", "));
    let Loads { calmest, busiest } = loads;
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
