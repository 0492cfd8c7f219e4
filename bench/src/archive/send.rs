//! How long a message takes to be stored, at a steady rate: alone, and while what is old is purged.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use server::mailbox::purge;
use storage::archive::{self, Direction};
use storage::{Db, undelivered};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fill::{Archive, BEGIN_MS, Chance, SPAN_MS};
use super::times::Times;

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_sec: u32,
    pub(super) secs: u32,
}

/// Sends without and with a purge, and prints a line for each.
pub(super) async fn measure(db: &Db, archive: &Archive, rate: Rate) -> Result<()> {
    let Rate { per_sec, secs } = rate;
    println!("{per_sec} messages a second for {secs} s: {}", Times::of(send(db, archive, rate).await?));
    // The older half: more than can be purged in the time.
    let before_ms = BEGIN_MS + SPAN_MS / 2;
    let mut purged = 0;
    let times = tokio::select! {
        times = send(db, archive, rate) => times?,
        ended = purge(db, before_ms, &mut purged) => {
            ended?;
            bail!("all was purged before the time was over: ask for fewer --secs or a greater --count");
        }
    };
    println!("the same during a purge of {} a second: {}", purged / u64::from(secs.max(1)), Times::of(times));
    Ok(())
}

/// Each message goes to its sender's and to its recipient's mailbox, and is acknowledged by a device soon after. Its
/// time begins when it is due, so that waiting for an earlier one counts.
async fn send(db: &Db, archive: &Archive, Rate { per_sec, secs }: Rate) -> Result<Vec<Duration>> {
    let mut chance = Chance::new(21);
    let mut clock = interval(Duration::from_secs(1) / per_sec.max(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sending = JoinSet::new();
    for _ in 0..per_sec * secs {
        let due = clock.tick().await;
        let now_ms = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000)?;
        let mut sent = archive.entry((archive.any(&mut chance), now_ms), &mut chance);
        let mut received = archive.entry((archive.any(&mut chance), now_ms), &mut chance);
        (sent.direction, sent.undelivered) = (Direction::Sent, false);
        (received.direction, received.undelivered) = (Direction::Received, true);
        let db = db.clone();
        sending.spawn(async move {
            let (recipient, id) = (received.owner, received.id);
            archive::append(&db, vec![sent, received]).await?;
            let took = due.max(Instant::now()).duration_since(due);
            undelivered::clear(&db, recipient, &[id]).await?;
            anyhow::Ok(took)
        });
    }
    let mut times = Vec::new();
    while let Some(sent) = sending.join_next().await {
        times.push(sent.context("a sender broke off")??);
    }
    Ok(times)
}
