//! A store of three nodes of which one is killed while files come and go: none is lost, and reading goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use services::Garages;
use testkit::TestServer;

use crate::stage::{Slot, Stage, pattern, slot, until};

const BYTES: usize = 1_500_000;
/// Uploads before the kill, and after it.
const BEFORE: usize = 6;
const AFTER: usize = 12;

/// Each file is another one.
fn content(number: usize) -> Vec<u8> {
    let mut content = pattern(BYTES);
    content.iter_mut().zip((number as u64).to_be_bytes()).for_each(|(to, from)| *to = from);
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_lost_when_a_node_of_the_store_dies() -> Result<()> {
    let mut garages = Garages::start()?;
    let builder = TestServer::builder().set("media.url", &format!("\"{}\"", garages.url("media")));
    let builder =
        garages.environment().into_iter().fold(builder, |builder, (name, value)| builder.variable(&name, &value));
    let mut stage = Stage::with(builder.set("limits.upload_slots_per_account_max", "1000")).await?;
    let first = stage.file(&content(0)).await?;

    let (stop, reads, failed_reads) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let reading = tokio::spawn({
        let (http, stop, reads, failed) = (stage.http.clone(), stop.clone(), reads.clone(), failed_reads.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let read = async { http.get(&first.get).send().await?.error_for_status()?.bytes().await };
                match read.await {
                    Ok(bytes) if bytes == content(0) => reads.fetch_add(1, Ordering::Relaxed),
                    _ => failed.fetch_add(1, Ordering::Relaxed),
                };
            }
        }
    });
    let mut kept: Vec<(usize, Slot)> = Vec::new();
    let mut refused = 0;
    for number in 1..=BEFORE + AFTER {
        if number == BEFORE {
            garages.kill_one()?;
        }
        let slot = slot(&mut stage.alice, "picture.png", BYTES, "image/png").await?;
        match stage.put(&slot, content(number)).await?.as_u16() {
            201 => kept.push((number, slot)),
            503 => refused += 1,
            other => anyhow::bail!("an upload ended with {other}"),
        }
    }
    let read_so_far = reads.load(Ordering::Relaxed);
    until(|| reads.load(Ordering::Relaxed) > read_so_far + 2).await.context("reading does not go on")?;
    stop.store(true, Ordering::Relaxed);
    reading.await?;
    for (number, slot) in &kept {
        ensure!(stage.get(slot).await?.bytes().await? == content(*number), "file {number} is lost");
    }
    let failed = failed_reads.load(Ordering::Relaxed);
    println!("{} kept, {refused} refused; {} reads, {failed} failed", kept.len(), reads.load(Ordering::Relaxed));
    ensure!(kept.len() > BEFORE + AFTER / 2, "only {} of {} uploads went through", kept.len(), BEFORE + AFTER);
    ensure!(failed <= 1, "{failed} reads failed");
    Ok(())
}
