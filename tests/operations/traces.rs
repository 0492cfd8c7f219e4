//! OpenTelemetry: a collector hears how long things took, and nothing about whom.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came, one request a piece: path, and the bytes of the body as far as they are text.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A collector on loopback; its URL, and what it hears.
async fn collector() -> Result<(String, Heard)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(listen(socket, Arc::clone(&all)));
        }
    });
    Ok((url, heard))
}

async fn listen(mut socket: TcpStream, heard: Heard) -> Result<()> {
    let mut came = Vec::new();
    loop {
        let Some(end) = came.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            ensure!(socket.read_buf(&mut came).await? > 0, "closed");
            continue;
        };
        let head = String::from_utf8_lossy(came.get(..end).unwrap_or_default()).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("no length")?;
        let total = end + 4 + length.trim().parse::<usize>()?;
        while came.len() < total {
            ensure!(socket.read_buf(&mut came).await? > 0, "cut off");
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(came.get(end + 4..total).unwrap_or_default()).into_owned();
        heard.lock().unwrap_or_else(PoisonError::into_inner).push((path, body));
        came.drain(..total);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// Alice tells Bob something under a server that traces; then the server ends, and exports what it has.
async fn traced(sample_ratio: &str) -> Result<Vec<(String, String)>> {
    let (url, heard) = collector().await?;
    let mut server = TestServer::builder()
        .set("traces.otlp_endpoint", &format!("\"{url}\""))
        .set("traces.sample_ratio", sample_ratio)
        .start()
        .await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    alice.say(bob.bare(), "between us").await?;
    bob.message().await?;
    server.terminate().await?;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(heard.clone())
}

#[tokio::test]
async fn a_collector_hears_what_was_done_and_not_for_whom() -> Result<()> {
    let heard = traced("1.0").await?;
    ensure!(heard.iter().all(|(path, _)| path == "/v1/traces"), "{heard:?}");
    let all: String = heard.into_iter().map(|(_, body)| body).collect();
    for name in ["log in", "messages", "store", "deliver", "presence", "iq", "service.name", "whimbrel"] {
        ensure!(all.contains(name), "no {name:?} in {all:?}");
    }
    for private in ["alice", "bob", "localhost", "between us", "127.0.0.1"] {
        ensure!(!all.contains(private), "{private:?} in {all:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sent() -> Result<()> {
    let heard = traced("0.0").await?;
    ensure!(heard.is_empty(), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_away_is_said_once_and_holds_nobody_up() -> Result<()> {
    let endpoint = "\"http://127.0.0.1:9\"";
    let mut server =
        TestServer::builder().set("traces.otlp_endpoint", endpoint).set("traces.sample_ratio", "1.0").start().await?;
    let mut alice = server.alice().await?;
    alice.round_trip().await?;
    server.terminate().await?;
    assert_eq!(server.log().matches("traces cannot be exported").count(), 1, "{}", server.log());
    Ok(())
}
