//! `/healthz` and `/readyz`: whether the process lives, and whether it may be given work.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use services::DatabaseServer;
use testkit::raw::Raw;
use testkit::{Backend, DEADLINE, TestServer};

use crate::page;

#[tokio::test]
async fn a_server_is_healthy_and_ready_on_both_listeners() -> Result<()> {
    let server = TestServer::builder().set("metrics.listen", "\"127.0.0.1:0\"").start().await?;
    for listener in ["http", "metrics"] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(page(server.address(listener)?, path).await?, (200, String::from("ok\n")), "{listener} {path}");
        }
    }
    // What the operator alone shall see is not on the users' listener.
    assert_eq!(page(server.address("http")?, "/metrics").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn a_server_without_its_database_is_healthy_and_not_ready_until_it_is_back() -> Result<()> {
    let database = DatabaseServer::start(Backend::Postgres.kind().context("no server")?)?;
    let url = database.database()?.url();
    let server = TestServer::builder()
        .set("storage.url", &format!("\"{url}\""))
        .set("metrics.listen", "\"127.0.0.1:0\"")
        .start()
        .await?;
    let address = server.address("metrics")?;
    database.kill()?;
    until(address, (503, "database unreachable\n")).await?;
    assert_eq!(page(address, "/healthz").await?.0, 200);
    database.restart()?;
    until(address, (200, "ok\n")).await
}

#[tokio::test]
async fn a_server_that_drains_says_so_until_its_end() -> Result<()> {
    let mut server = TestServer::builder().set("metrics.listen", "\"127.0.0.1:0\"").start().await?;
    let address = server.address("metrics")?;
    // Somebody in the middle of a handshake, for whom the server waits a while.
    let slow = Raw::connect(server.address("c2s_tls")?).await?;
    let (ended, said) = tokio::join!(server.terminate(), async {
        let said = until(address, (503, "draining\n")).await;
        drop(slow);
        said
    });
    said?;
    ended?;
    ensure!(page(address, "/healthz").await.is_err(), "it still answers");
    Ok(())
}

/// Asks `/readyz` until it answers so.
async fn until(address: std::net::SocketAddr, (status, body): (u16, &str)) -> Result<()> {
    let started = Instant::now();
    loop {
        let answer = page(address, "/readyz").await?;
        if answer == (status, body.to_owned()) {
            return Ok(());
        }
        ensure!(started.elapsed() < DEADLINE * 2, "{answer:?} and not {status} {body}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await; // tidy: allow sleep, one step of a bounded poll
    }
}
