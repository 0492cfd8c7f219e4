//! Connections on which nothing happens, or too slowly (`limits.pre_auth_secs`, `limits.idle_secs`), and too many of
//! them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use testkit::raw::{Raw, header};

use crate::stage::{Stage, stream_error};

async fn hasty() -> Result<Stage> {
    Stage::with(TestServer::builder().set("limits.pre_auth_secs", "1")).await
}

#[tokio::test]
async fn who_says_nothing_is_told_so_after_the_time_for_log_in() -> Result<()> {
    let mut stage = hasty().await?;
    let started = Instant::now();
    let mut silent = stage.connection().await?;
    assert_eq!(stream_error(&silent.ended().await?)?, "connection-timeout");
    ensure!(started.elapsed() >= Duration::from_millis(900), "a second was promised");

    let mut half = stage.connection().await?;
    half.send(header("localhost").chars().take(40).collect::<String>()).await?;
    assert_eq!(stream_error(&half.ended().await?)?, "connection-timeout");

    let mut greeted = stage.stranger().await?;
    assert_eq!(stream_error(&greeted.ended().await?)?, "connection-timeout");

    let mut unbound = stage.stranger().await?;
    unbound.log_in("localhost", "mallory", "mallory").await?;
    assert_eq!(stream_error(&unbound.ended().await?)?, "connection-timeout");
    stage.goes_on().await
}

#[tokio::test]
async fn who_logs_in_without_opening_the_next_stream_is_told_within_one() -> Result<()> {
    let mut stage = hasty().await?;
    let mut raw = stage.stranger().await?;
    raw.authenticate("mallory", "mallory").await?;
    raw.restart();
    assert_eq!(stream_error(&raw.ended().await?)?, "connection-timeout");
    stage.goes_on().await
}

#[tokio::test]
async fn a_trickle_of_bytes_does_not_buy_time() -> Result<()> {
    let mut stage = hasty().await?;
    let mut dripping = stage.stranger().await?;
    let mut drop_of = tokio::time::interval(Duration::from_millis(50));
    let started = Instant::now();
    // Until the server has closed the connection; writes fail only after that.
    while dripping.send(" ").await.is_ok() {
        drop_of.tick().await;
        ensure!(started.elapsed() < testkit::DEADLINE, "a trickle keeps the connection open");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn who_has_a_session_may_be_silent_for_longer() -> Result<()> {
    let mut stage = hasty().await?;
    let mut user = stage.mallory().await?;
    // Longer than the time for log-in: that a stranger who came later was sent away proves it.
    stage.connection().await?.ended().await?;
    user.send("<iq to='localhost' type='get' id='here'><ping xmlns='urn:xmpp:ping'/></iq>").await?;
    user.until("id='here'").await.context("a user's connection ended with the time for log-in")?;
    stage.goes_on().await
}

#[tokio::test]
async fn strangers_beyond_the_bound_are_refused_and_users_are_not_touched() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.pre_auth_connections_max", "5")).await?;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(stage.stranger().await?);
    }
    let mut refused = stage.connection().await?;
    assert_eq!(refused.ended().await?, "");
    stage.neighbour.round_trip().await?;
    // One who logs in gives up the place.
    let mut first = waiting.pop().context("five came")?;
    first.log_in("localhost", "mallory", "mallory").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() -> Result<()> {
    let builder = TestServer::builder().set("limits.connections_per_ip_max", "3");
    let mut stage = Stage::with(builder).await?;
    // The neighbour is the first.
    let _second = stage.stranger().await?;
    let third = stage.stranger().await?;
    assert_eq!(stage.connection().await?.ended().await?, "");
    drop(third);
    // Its place is free once the server has seen it go.
    let started = Instant::now();
    loop {
        let mut raw: Raw = stage.connection().await?;
        if raw.open("localhost").await.is_ok() {
            break;
        }
        ensure!(started.elapsed() < testkit::DEADLINE, "the place of a connection that is gone is never given back");
    }
    stage.neighbour.round_trip().await
}
