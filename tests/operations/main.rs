//! What operators run beside the server: Prometheus, collectors of traces, systemd, certificate authorities, TURN servers.

mod acme;
mod check;
mod deploy;
mod health;
mod metrics;
mod supervisor;
mod traces;
mod turn;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testkit::{DEADLINE, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status and body of a page.
async fn page(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, socket.read_to_string(&mut answer)).await.context("no answer in time")??;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("no status: {head:?}"))?, body.to_owned()))
}

/// The page of metrics.
async fn metrics_of(server: &TestServer) -> Result<String> {
    let (status, text) = page(server.address("metrics")?, "/metrics").await?;
    anyhow::ensure!(status == 200, "{status} {text}");
    Ok(text)
}

/// The value of a sample by its name and labels, as it is written.
fn value(metrics: &str, sample: &str) -> Result<f64> {
    let of = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(of).with_context(|| format!("no {sample} in:\n{metrics}"))
}

/// Waits until the server has logged a text so many times.
async fn logged(server: &TestServer, text: &str, times: usize, within: Duration) -> Result<()> {
    let started = Instant::now();
    while server.log().matches(text).count() < times {
        if started.elapsed() > within {
            bail!("{text:?} was not logged {times} times within {within:?}:\n{}", server.log());
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // tidy: allow sleep, one step of a bounded poll
    }
    Ok(())
}
