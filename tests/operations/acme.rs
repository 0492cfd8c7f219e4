//! ACME with Pebble as the authority: a certificate comes, is renewed and is served, and nobody is disconnected.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use services::{Authority, Pebble, free_port};
use testkit::{Client, Security, TestServer, TestServerBuilder};

use crate::{logged, metrics_of, page, value};

const NEW: &str = "got a certificate";
/// A busy machine, and pauses after refused nonces.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the authority looks, and what it is like.
#[derive(Debug)]
struct Stage {
    http_port: u16,
    tls_port: u16,
    pebble: Pebble,
}

fn stage(validity_secs: u64, refused_nonces_percent: u8) -> Result<Stage> {
    let (cert, key) = server::tls::self_signed(&[String::from("127.0.0.1")])?;
    let (http_port, tls_port) = (free_port()?, free_port()?);
    let identity = (cert.as_str(), key.as_str());
    let pebble = Pebble::start(Authority { identity, http_port, tls_port, validity_secs, refused_nonces_percent })?;
    Ok(Stage { http_port, tls_port, pebble })
}

fn settings(stage: &Stage, challenge: &str) -> TestServerBuilder {
    TestServer::builder()
        .domain("chat.test")
        .set("tls.acme.enabled", "true")
        .set("tls.acme.directory", &format!("\"{}\"", stage.pebble.directory()))
        .set("tls.acme.directory_ca", &format!("\"{}\"", stage.pebble.root().display()))
        .set("tls.acme.contact", "[\"mailto:admin@chat.test\"]")
        .set("tls.acme.domains", "[\"chat.test\", \"conference.chat.test\"]")
        .set("tls.acme.challenge", &format!("\"{challenge}\""))
        .set("metrics.listen", "\"127.0.0.1:0\"")
}

fn certificate(server: &TestServer) -> PathBuf {
    server.dir().join("data/acme/certificate.pem")
}

/// Over TLS, trusting the very certificate that is kept.
async fn alice(server: &TestServer) -> Result<Client> {
    let mut login = server.login("alice", "alice")?;
    (login.security, login.address) = (Security::DirectTls, server.address("c2s_tls")?);
    login.ca = Some(certificate(server));
    Client::connect(login).await
}

#[tokio::test]
async fn a_certificate_comes_by_http_and_is_renewed_while_clients_stay() -> Result<()> {
    let stage = stage(30, 5)?;
    let listen = format!("[\"127.0.0.1:{}\"]", stage.http_port);
    let server = settings(&stage, "http-01").set("http.listen", &listen).start().await?;
    server.add_user("alice", "alice").await?;
    logged(&server, NEW, 1, PATIENCE).await?;
    let first = std::fs::read_to_string(certificate(&server))?;
    ensure!(first.starts_with(&format!("Issued by way of {}", stage.pebble.directory())), "{first}");
    let mut before = alice(&server).await?;
    before.round_trip().await?;

    logged(&server, NEW, 2, PATIENCE).await?;
    ensure!(std::fs::read_to_string(certificate(&server))? != first, "the same certificate again");
    before.round_trip().await?;
    alice(&server).await?.round_trip().await?;
    let text = metrics_of(&server).await?;
    ensure!(value(&text, "whimbrel_certificate_renewals_total{outcome=\"renewed\"}")? >= 2.0, "{text}");
    let address = server.address("http")?;
    ensure!(page(address, "/.well-known/acme-challenge/none").await?.0 == 404, "a token that nobody gave us");
    Ok(())
}

#[tokio::test]
async fn a_certificate_comes_by_tls_from_an_authority_that_refuses_nonces_and_forgets_accounts() -> Result<()> {
    let mut stage = stage(24, 25)?;
    let listen = format!("[\"127.0.0.1:{}\"]", stage.tls_port);
    let server = settings(&stage, "tls-alpn-01").set("c2s.direct_tls_listen", &listen).start().await?;
    server.add_user("alice", "alice").await?;
    logged(&server, NEW, 1, PATIENCE).await?;
    alice(&server).await?.round_trip().await?;
    let renewed = server.log().matches(NEW).count();
    stage.pebble.restart()?;
    logged(&server, NEW, renewed + 1, PATIENCE).await?;
    logged(&server, "made an account", 2, PATIENCE).await?;
    alice(&server).await?.round_trip().await
}

#[tokio::test]
async fn the_certificate_of_before_stays_when_the_authority_sees_nothing_and_is_kept_over_a_restart() -> Result<()> {
    let stage = stage(86_400, 0)?;
    // Nobody listens where the authority looks for certificates.
    let listen = format!("[\"127.0.0.1:{}\"]", stage.http_port);
    let mut server = settings(&stage, "tls-alpn-01").set("http.listen", &listen).start().await?;
    server.add_user("alice", "alice").await?;
    logged(&server, "there is no new certificate yet", 1, PATIENCE).await?;
    logged(&server, "could not see that chat.test is ours", 1, PATIENCE).await?;
    alice(&server).await?.round_trip().await?;
    server.set("tls.acme.challenge", "\"http-01\"");
    server.restart().await?;
    logged(&server, NEW, 1, PATIENCE).await?;
    server.restart().await?;
    alice(&server).await?.round_trip().await?;
    ensure!(server.log().matches(NEW).count() == 1, "a good certificate was renewed at a start:\n{}", server.log());
    ensure!(server.log().matches("made an account").count() == 1, "{}", server.log());
    Ok(())
}
