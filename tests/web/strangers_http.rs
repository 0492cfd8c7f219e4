//! What strangers try with HTTP itself.

use anyhow::{Result, ensure};
use testkit::TestServer;
use testkit::raw::Raw;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn said(server: &TestServer, bytes: &str) -> Result<String> {
    let mut raw = Raw::connect(server.address("http")?).await?;
    raw.send(bytes).await?;
    raw.ended().await
}

#[tokio::test]
async fn requests_that_two_readers_could_read_differently_are_refused() -> Result<()> {
    let server = TestServer::start().await?;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5\r\n folded\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let text =
            said(&server, &format!("POST /bosh HTTP/1.1\r\nHost: localhost\r\n{fields}\r\nhello{hidden}")).await?;
        ensure!(text.starts_with("HTTP/1.1 400 "), "{fields}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{fields}: {text}");
    }
    Ok(())
}

/// RFC 9112 §6.1: chunks count, and the connection ends after the answer, whatever follows.
#[tokio::test]
async fn a_length_beside_chunks_hides_no_second_request() -> Result<()> {
    let server = TestServer::start().await?;
    for fields in
        ["Content-Length: 60\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n"]
    {
        let request = format!(
            "POST /bosh HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let text = said(&server, &request).await?;
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_that_comes_slowly_or_never_is_not_waited_for() -> Result<()> {
    let server = TestServer::builder().set("limits.http_head_secs", "1").start().await?;
    // Neither silence, nor half a preface of HTTP/2, nor half a head.
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: loc"] {
        let text = said(&server, begun).await?;
        ensure!(!text.contains("200"), "{begun:?}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_past_its_bounds_is_refused() -> Result<()> {
    let server = TestServer::builder().set("limits.http_head_bytes_max", "8192").start().await?;
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    ensure!(said(&server, &large).await?.starts_with("HTTP/1.1 431 "));
    let many = |fields: usize| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(fields));
    ensure!(said(&server, &many(200)).await?.starts_with("HTTP/1.1 431 "));
    let server = TestServer::builder().set("limits.http_fields_max", "16").start().await?;
    ensure!(said(&server, &many(20)).await?.starts_with("HTTP/1.1 431 "));
    Ok(())
}

/// HTTP/2 (RFC 9113): the server says how many requests may be under way, and refuses the next one.
#[tokio::test]
async fn requests_at_once_on_a_connection_are_bounded() -> Result<()> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // REFUSED_STREAM (7) for stream 3.
    const REFUSED: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 7];
    let server = TestServer::builder().set("limits.http_streams_max", "1").start().await?;
    let mut socket = TcpStream::connect(server.address("http")?).await?;
    // `:method: POST`, `:scheme: http`, `:path: /bosh`, `:authority: a` (RFC 7541); the body does not come.
    let fields = [&[0x83, 0x86, 0x04, 5][..], b"/bosh", &[0x01, 1], b"a"].concat();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    said.extend(SETTINGS);
    for stream in [1, 3] {
        said.extend([0, 0, u8::try_from(fields.len())?, 1, 4, 0, 0, 0, stream]);
        said.extend(&fields);
    }
    socket.write_all(&said).await?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
    while !heard.windows(REFUSED.len()).any(|bytes| bytes == REFUSED) {
        let read = tokio::time::timeout(testkit::DEADLINE, socket.read(&mut buffer)).await??;
        ensure!(read > 0, "the connection ended: {heard:?}");
        heard.extend_from_slice(&buffer[..read]);
    }
    // SETTINGS_MAX_CONCURRENT_STREAMS
    ensure!(heard.windows(6).any(|bytes| bytes == [0, 3, 0, 0, 0, 1]), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn too_many_connections_are_refused_and_those_that_are_open_go_on() -> Result<()> {
    for bound in ["limits.http_connections_per_ip_max", "limits.http_connections_max"] {
        let server = TestServer::builder().set(bound, "2").set("http.trusted_proxies", "[]").start().await?;
        let address = server.address("http")?;
        let (mut first, _second) = (Raw::connect(address).await?, Raw::connect(address).await?);
        first.send("GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        first.until("nothing is here").await?;
        assert_eq!(Raw::connect(address).await?.ended().await?, "", "{bound}");
        first.send("GET /two HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        first.until("HTTP/1.1 404 ").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_closes_its_half_after_a_request_is_left() -> Result<()> {
    let server = TestServer::start().await?;
    let mut raw = Raw::connect(server.address("http")?).await?;
    raw.send("GET /.well-known/host-meta HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    ensure!(raw.ended().await?.starts_with("HTTP/1.1 200 "));
    Ok(())
}
