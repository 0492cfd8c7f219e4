//! Many at once: strangers who say nothing or next to nothing, and writers to somebody who does not read.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::raw::{Raw, header};
use testkit::{Client, TestServer};

use crate::cost::{Chat, Meter};
use crate::stage::Stage;

/// Strangers unless `WHIMBREL_STRANGERS` says how many; server and test each need a descriptor for every one.
const STRANGERS: usize = 4_000;
/// They come from so many addresses.
const ADDRESSES: usize = 40;
/// How often those who drip have sent a byte before it is enough, one in a second.
const DROPS: usize = 10;
/// What one may occupy in a server that was built for debugging.
const STRANGER_BYTES_MAX: u64 = 32_768;

fn strangers() -> Result<usize> {
    match std::env::var("WHIMBREL_STRANGERS") {
        Ok(number) => number.parse().context("WHIMBREL_STRANGERS is no number"),
        Err(_) => Ok(STRANGERS),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_strangers_who_are_silent_or_drip_do_not_slow_a_chat() -> Result<()> {
    let strangers = strangers()?;
    let builder = TestServer::builder().set("limits.pre_auth_secs", "600");
    let mut stage = Stage::with(builder.set("limits.pre_auth_connections_max", &(strangers + 10).to_string())).await?;
    let chat = Chat::begin(&stage.server).await?;
    let address = stage.server.address("c2s")?;
    let meter = Meter::start(&stage.server)?;
    let mut silent = Vec::new();
    let mut dripping = Vec::new();
    for number in 0..strangers {
        let source = IpAddr::from([127, 0, 0, 2 + u8::try_from(number % ADDRESSES)?]);
        let raw = Raw::connect_from(source, address).await.with_context(|| format!("stranger {number}"))?;
        if number % 2 == 0 { silent.push(raw) } else { dripping.push(raw) }
    }
    // The server has seen all of them once the last, who came like the others, is greeted.
    let mut last = stage.stranger().await?;
    meter.spent()?.print("strangers who have connected", strangers);

    let meter_of_drops = Meter::start(&stage.server)?;
    let header = header("localhost");
    let mut second = tokio::time::interval(Duration::from_secs(1));
    for byte in header.bytes().take(DROPS) {
        second.tick().await;
        for raw in &mut dripping {
            raw.send([byte]).await?;
        }
    }
    meter_of_drops.spent()?.print("bytes that dripped, the chat included", DROPS * dripping.len());
    let spent = meter.spent()?;
    spent.print("strangers in all", strangers);
    chat.end().await?;
    let each = spent.grown_bytes / u64::try_from(strangers)?;
    ensure!(each < STRANGER_BYTES_MAX, "{each} bytes for a stranger");
    last.send(" ").await?;
    stage.goes_on().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_write_to_one_who_does_not_read_are_not_slowed_and_slow_nobody() -> Result<()> {
    const ACCOUNTS: usize = 4;
    const WRITERS: usize = 100;
    const MESSAGES: usize = 40;
    const BODY_BYTES: usize = 4_096;
    let mut stage = Stage::new().await?;
    let server = &stage.server;
    server.add_user("bob", "bob").await?;
    let mut bob = Raw::connect_narrow(server.address("c2s")?).await?;
    bob.open("localhost").await?;
    bob.log_in("localhost", "bob", "bob").await?;
    bob.bind("phone").await?;
    bob.send("<presence/>").await?;
    bob.until("<presence").await?;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let name = format!("writer{}", number % ACCOUNTS);
        if number < ACCOUNTS {
            server.add_user(&name, &name).await?;
        }
        writers.push(Client::connect(server.login(&name, &name)?).await?);
    }

    let chat = Chat::begin(server).await?;
    let meter = Meter::start(server)?;
    let body = "x".repeat(BODY_BYTES);
    let writing: Vec<_> = writers
        .into_iter()
        .map(|mut writer| {
            let body = body.clone();
            tokio::spawn(async move {
                let started = Instant::now();
                for _ in 0..MESSAGES {
                    writer.say("bob@localhost", &body).await?;
                }
                writer.expect_nothing().await?;
                anyhow::Ok(started.elapsed())
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for writer in writing {
        slowest = slowest.max(writer.await??);
    }
    let spent = meter.spent()?;
    spent.print("messages to one who does not read, the chat included", WRITERS * MESSAGES);
    println!("the slowest of {WRITERS} writers of {MESSAGES} messages was done after {slowest:.1?}");
    chat.end().await?;
    // His queue has a bound (`limits.session_queue_stanzas_max`); the rest waits in the database.
    ensure!(spent.grown_bytes < 64 << 20, "the server grew by {} bytes", spent.grown_bytes);
    stage.goes_on().await
}
