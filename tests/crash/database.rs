//! SIGKILL of the database server, under a server that goes on: clients are told to wait or lose their streams, and what
//! was acknowledged is there when it is back (`DESIGN.md`, invariant 1).

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use services::DatabaseServer;
use testkit::faults::{Dice, Plan, Traffic, number_from, seed};
use testkit::{Backend, TestServer};

use crate::kills::conclude;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_the_death_of_postgresql() -> Result<()> {
    survives(Backend::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_the_death_of_mysql() -> Result<()> {
    survives(Backend::Mysql).await
}

async fn survives(backend: Backend) -> Result<()> {
    let (seed, kills) = (seed(), number_from("WHIMBREL_KILLS", 6));
    println!("WHIMBREL_SEED={seed} WHIMBREL_KILLS={kills} of {}", backend.name());
    let mut dice = Dice::new(seed);
    let database = DatabaseServer::start(backend.kind().context("no server")?)?;
    let url = database.database()?.url();
    let server = TestServer::builder().set("storage.url", &format!("\"{url}\"")).start().await?;
    let plan = Plan { senders: 10, recipients: 10, contacts: 3, database_fails: true };
    let mut traffic = Traffic::start(&server, plan, &dice).await?;
    let mut away = Duration::ZERO;
    for _ in 0..kills {
        traffic.acknowledges(dice.between(100, 500)).await?;
        tokio::time::sleep(Duration::from_millis(dice.below(300))).await; // tidy: allow sleep, the random moment itself
        let started = Instant::now();
        database.kill()?;
        tokio::time::sleep(Duration::from_millis(dice.below(500))).await; // tidy: allow sleep, it is away for a while
        database.restart()?;
        traffic.acknowledges(1).await?;
        away += started.elapsed();
    }
    traffic.acknowledges(200).await?;
    conclude(&mut traffic, seed, &format!("{kills} deaths of {}, {:.1?} each", backend.name(), away / kills)).await
}
