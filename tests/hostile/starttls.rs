//! STARTTLS (RFC 6120 §5) against people in the middle, and who may do what before it.

use anyhow::Result;
use testkit::TestServer;
use testkit::raw::{Raw, header};

use crate::stage::{document, stream_error};

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// A server as operators run it: no log-in without TLS.
async fn strict() -> Result<TestServer> {
    let server = TestServer::builder().set("c2s.allow_plaintext", "false").start().await?;
    server.add_user("alice", "alice").await?;
    Ok(server)
}

async fn opened(server: &TestServer) -> Result<Raw> {
    let mut raw = Raw::connect(server.address("c2s")?).await?;
    raw.open(server.domain()).await?;
    Ok(raw)
}

async fn encrypted(server: &TestServer) -> Result<Raw> {
    let mut raw = opened(server).await?;
    raw.send(STARTTLS).await?;
    raw.until("<proceed").await?;
    let mut raw = raw.shake_hands(server.domain(), &server.ca(), None).await?;
    raw.open(server.domain()).await?;
    Ok(raw)
}

/// The server is as it was: who comes with TLS can log in.
async fn goes_on(server: &TestServer) -> Result<()> {
    encrypted(server).await?.log_in(server.domain(), "alice", "alice").await
}

#[tokio::test]
async fn before_tls_nothing_is_offered_but_tls() -> Result<()> {
    let server = strict().await?;
    let mut raw = Raw::connect(server.address("c2s")?).await?;
    let greeting = raw.open(server.domain()).await?;
    assert!(greeting.contains("<required/>"), "{greeting}");
    assert!(!greeting.contains("mechanism"), "{greeting}");
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let mut raw = opened(&server).await?;
        raw.send(format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>AGFsaWNlAGFsaWNl</auth>")).await?;
        let answer = raw.until("</failure>").await?;
        assert!(answer.contains("<encryption-required/>"), "{answer}");
    }
    goes_on(&server).await
}

#[tokio::test]
async fn the_password_itself_is_only_asked_for_under_tls() -> Result<()> {
    let lax = TestServer::start().await?;
    let greeting = Raw::connect(lax.address("c2s")?).await?.open(lax.domain()).await?;
    assert!(greeting.contains("<mechanism>SCRAM-SHA-256</mechanism>"), "{greeting}");
    assert!(!greeting.contains("PLAIN"), "{greeting}");
    let mut raw = opened(&lax).await?;
    raw.send(STARTTLS).await?;
    raw.until("<proceed").await?;
    let greeting = raw.shake_hands(lax.domain(), &lax.ca(), None).await?.open(lax.domain()).await?;
    assert!(greeting.contains("<mechanism>PLAIN</mechanism>"), "{greeting}");
    assert!(!greeting.contains("starttls"), "TLS is not offered twice: {greeting}");
    Ok(())
}

/// CVE-2011-0411: what a man in the middle appends in the clear must not count as sent under TLS.
#[tokio::test]
async fn what_follows_starttls_in_the_clear_is_never_read_as_encrypted() -> Result<()> {
    let server = strict().await?;
    for injected in [header("localhost"), format!("<auth xmlns='{SASL}' mechanism='PLAIN'>AGFsaWNlAGFsaWNl</auth>")] {
        let mut raw = opened(&server).await?;
        raw.send(format!("{STARTTLS}{injected}")).await?;
        let stream = raw.ended().await?;
        assert_eq!(stream_error(&stream)?, "policy-violation");
        assert!(!stream.contains("proceed"), "{stream}");
    }
    goes_on(&server).await
}

#[tokio::test]
async fn what_follows_proceed_in_the_clear_ends_the_connection() -> Result<()> {
    let server = strict().await?;
    let mut raw = opened(&server).await?;
    raw.send(STARTTLS).await?;
    raw.until("<proceed").await?;
    raw.restart();
    raw.send(header("localhost")).await?;
    let after = raw.ended().await?;
    assert!(!after.contains("stream"), "no stream without TLS: {after}");
    goes_on(&server).await
}

#[tokio::test]
async fn a_second_starttls_is_a_failure_that_ends_the_stream() -> Result<()> {
    let server = strict().await?;
    let mut raw = encrypted(&server).await?;
    raw.send(STARTTLS).await?;
    // RFC 6120 §5.4.2.2: failure, then the end of the stream.
    let stream = document(&raw.ended().await?)?;
    let last = stream.children().last().map(|last| (last.name().to_owned(), last.ns()));
    assert_eq!(last, Some((String::from("failure"), String::from("urn:ietf:params:xml:ns:xmpp-tls"))));
    goes_on(&server).await
}

#[tokio::test]
async fn a_handshake_that_never_comes_ends_in_time() -> Result<()> {
    let mut server = strict().await?;
    server.set("limits.pre_auth_secs", "1");
    server.restart().await?;
    let mut raw = opened(&server).await?;
    raw.send(STARTTLS).await?;
    raw.until("<proceed").await?;
    let stream = raw.ended().await?;
    assert!(stream.ends_with("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "{stream}");
    let mut direct = Raw::connect(server.address("c2s_tls")?).await?;
    assert_eq!(direct.ended().await?, "");
    // Half a ClientHello is no better than none.
    let mut half = Raw::connect(server.address("c2s_tls")?).await?;
    half.send(b"\x16\x03\x01\x02\x00\x01").await?;
    half.ended().await?;
    goes_on(&server).await
}
