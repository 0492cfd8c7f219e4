//! Behind a reverse proxy: what it says is believed if it is trusted.

use anyhow::{Result, ensure};
use testkit::raw::Raw;
use testkit::web::WebSocket;
use testkit::{TestServer, http_client};

async fn upgrade(server: &TestServer, fields: &str) -> Result<String> {
    let mut raw = Raw::connect(server.address("http")?).await?;
    let fields = format!("Sec-WebSocket-Protocol: xmpp\r\n{fields}");
    raw.send(WebSocket::request(server.domain(), &fields)).await?;
    raw.until_one_of(&["\r\n\r\n"]).await
}

#[tokio::test]
async fn an_unencrypted_stream_is_refused_unless_a_trusted_proxy_vouches_for_it() -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    ensure!(upgrade(&server, "").await?.starts_with("HTTP/1.1 403 "));
    ensure!(upgrade(&server, "X-Forwarded-Proto: https\r\n").await?.starts_with("HTTP/1.1 101 "));
    let answer = http_client(&server.ca())?.post(server.http_url("/bosh")?).body("<body/>").send().await?;
    assert_eq!(answer.status(), 403);
    ensure!(answer.text().await?.contains("trusted_proxies"));

    let trusting_none =
        TestServer::builder().unset("c2s.allow_plaintext").set("http.trusted_proxies", "[]").start().await?;
    ensure!(upgrade(&trusting_none, "X-Forwarded-Proto: https\r\n").await?.starts_with("HTTP/1.1 403 "));
    Ok(())
}

#[tokio::test]
async fn clients_behind_a_proxy_are_counted_each_by_its_own_address() -> Result<()> {
    let server = TestServer::builder().set("limits.connections_per_ip_max", "1").start().await?;
    let one = "X-Forwarded-For: 192.0.2.1\r\n";
    let mut first = Raw::connect(server.address("http")?).await?;
    first.send(WebSocket::request("localhost", &format!("Sec-WebSocket-Protocol: xmpp\r\n{one}"))).await?;
    ensure!(first.until("\r\n\r\n").await?.starts_with("HTTP/1.1 101 "));
    ensure!(upgrade(&server, one).await?.starts_with("HTTP/1.1 429 "));
    ensure!(upgrade(&server, "X-Forwarded-For: 192.0.2.2\r\n").await?.starts_with("HTTP/1.1 101 "));
    Ok(())
}
