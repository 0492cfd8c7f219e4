//! The second table: ours on each database, beside ejabberd on PostgreSQL; and what sealing costs.

use std::fs;

use anyhow::Result;

use super::{Loads, Options, create, sealing};
use crate::client::numbered;
use crate::machine::{self, Workplace};
use crate::peer::{self, Figure, Peer, Retention};
use crate::plan::{self, Sizes, Test};
use crate::table::{Results, Row};

/// The heading of the section.
pub(super) const TITLE: &str = "On database servers";

const OURS: [Peer; 3] = [Peer::Whimbrel, Peer::WhimbrelPostgres, Peer::WhimbrelMariadb];

/// Measures, prints the table, and returns the text of the section.
pub(super) async fn run(options: &Options, failures: &mut Vec<String>) -> Result<String> {
    let mut peers = OURS.to_vec();
    if !options.alone() {
        peers.push(Peer::EjabberdPostgres);
    }
    let versions: Vec<String> = peers.iter().map(|peer| peer.version()).collect::<Result<_>>()?;
    let sizes = if options.quick { Sizes::QUICK } else { Sizes::ON_DATABASES };
    // A test does not build the example.
    let example = if options.quick { None } else { Some(sealing::program()?) };
    let mut loads = Loads::new();
    let memory = Workplace::in_memory()?;
    let mut results = Results::default();
    for round in 1..=options.rounds() {
        for test in options.tests(Test::ON_DATABASES) {
            for &peer in &peers {
                loads.look();
                results.take((round, test, peer), measure(&memory, test, peer, &sizes).await, failures);
            }
        }
    }
    let table = results.markdown_on_databases(&peers, (Peer::WhimbrelPostgres, Peer::EjabberdPostgres))?;
    println!("{table}");
    let sealing = example.map_or_else(|| Ok(String::new()), |program| sealing::table(&program))?;
    println!("{sealing}");
    text(&(table, sealing), &versions, options.rounds(), &loads, &sizes)
}

/// Everything is new: the database server, the database on it, the accounts.
async fn measure(memory: &Workplace, test: Test, peer: Peer, sizes: &Sizes) -> Result<Vec<(Row, Figure)>> {
    let dir = memory.path().join("run");
    let running = peer::start(peer, &dir, Retention::Forever).await?;
    let accounts = numbered(sizes.accounts());
    let found = match create(&running, &accounts).await {
        Ok(()) => plan::run(test, &running, &accounts, sizes).await,
        Err(error) => Err(error),
    };
    running.end()?;
    fs::remove_dir_all(&dir)?;
    found
}

fn text(
    (table, sealing): &(String, String),
    versions: &[String],
    rounds: usize,
    Loads { calmest, busiest }: &Loads,
    sizes: &Sizes,
) -> Result<String> {
    let (date, versions) = (machine::date()?, versions.join(", "));
    let Sizes { talkers, each, offline: (recipients, for_each), archives: (readers, in_each), .. } = sizes;
    Ok(format!(
        "Written by `make bench` on {date}: do not edit this section.

{table}
CPU of the server's processes and of the database server's together; in parentheses the database server's part. The
work is that of the rows above with the same names.

{sealing}
A message is one row for its sender and one for its recipient; both are sealed when it is stored and opened when a page
is read. Both columns are of one build, which only tests and this table have; its rows are equally long.

- **Servers**: {versions}. Database servers have 512 MiB of memory for themselves and the durability they come with.
- **How**: medians of {rounds} rounds, each test with fresh servers, a fresh database and fresh accounts, on loopback;
  clients over TLS, the database without. Load average between {calmest:.1} and {busiest:.1}. ejabberd keeps
  everything that lasts in PostgreSQL (`default_db: sql`, `auth_method: sql`), as Whimbrel does.
- **Data** lies in memory (tmpfs), as above.
- **Work**: {talkers} sessions talk in pairs, each sends {each} messages; {for_each} offline messages for each of
  {recipients}; {readers} archives of {in_each} messages.
- **Again**: `make bench`, or of it only this: `make bench-databases`.
"
    ))
}
