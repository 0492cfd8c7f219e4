//! SIGKILL at any moment (`DESIGN.md`, invariants 1 and 2).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::faults::{Dice, Plan, Traffic, number_from, seed};
use testkit::{Backend, TestServer};

/// Broken promises shown when there are more.
const SHOWN: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_every_kill() -> Result<()> {
    survives(Backend::Sqlite, 25).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_every_kill_on_postgresql() -> Result<()> {
    survives(Backend::Postgres, 10).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_every_kill_on_mysql() -> Result<()> {
    survives(Backend::Mysql, 10).await
}

async fn survives(backend: Backend, kills: u32) -> Result<()> {
    let (seed, kills) = (seed(), number_from("WHIMBREL_KILLS", kills));
    println!("WHIMBREL_SEED={seed} WHIMBREL_KILLS={kills} on {}", backend.name());
    let mut dice = Dice::new(seed);
    let mut server = TestServer::builder().database(backend).start().await?;
    let plan = Plan { senders: 20, recipients: 20, contacts: 3, database_fails: false };
    let mut traffic = Traffic::start(&server, plan, &dice).await?;

    let mut alive = Duration::ZERO;
    for _ in 0..kills {
        let started = Instant::now();
        // Most kills come in the middle of the traffic, some while everybody is still coming back.
        if dice.percent(80) {
            traffic.acknowledges(dice.between(100, 800)).await?;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(300))).await; // tidy: allow sleep, the random moment itself
        server.kill()?;
        alive += started.elapsed();
        server.start_again().await?;
    }
    let rate = f64::from(u32::try_from(traffic.acknowledged())?) / alive.as_secs_f64();

    conclude(&mut traffic, seed, &format!("{kills} kills ({rate:.0} acknowledged a second alive)")).await
}

/// Ends the traffic and compares what was promised with what is there.
pub(crate) async fn conclude(traffic: &mut Traffic, seed: u64, what: &str) -> Result<()> {
    let ledger = traffic.finish().await?;
    let reading = Instant::now();
    let archives = traffic.archives().await?;
    let violations = ledger.violations(&archives);
    let (sent, received) = ledger.totals();
    println!(
        "{what}: {sent} messages sent, {} acknowledged, {received} received; {} archives read in {:.1?}",
        ledger.acknowledged(),
        traffic.accounts(),
        reading.elapsed()
    );
    for violation in violations.iter().take(SHOWN) {
        println!("{violation}");
    }
    ensure!(violations.is_empty(), "{} promises broken with WHIMBREL_SEED={seed}", violations.len());
    Ok(())
}
