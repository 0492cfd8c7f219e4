//! Opening streams in ways that a script has no step for (RFC 6120 §4, §5, §13.8).

use anyhow::{Context, Result};
use minidom::Element;
use testkit::{Client, Security, TestServer};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

fn mechanisms(client: &Client) -> Vec<String> {
    let offered = client.features().get_child("mechanisms", SASL);
    offered.map(|offered| offered.children().map(Element::text).collect()).unwrap_or_default()
}

#[tokio::test]
async fn a_stream_to_a_domain_that_is_not_served_ends_with_host_unknown() -> Result<()> {
    let server = TestServer::start().await?;
    let mut login = server.login("alice", "alice")?;
    login.domain = String::from("elsewhere.example");
    let refused = Client::open(login).await.err().context("the stream was opened")?;
    assert!(refused.to_string().contains("host-unknown"), "{refused:#}");
    Ok(())
}

#[tokio::test]
async fn without_tls_nothing_is_offered_but_tls() -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    let client = Client::open(server.login("alice", "alice")?).await?;
    let starttls = client.features().get_child("starttls", TLS).context("no STARTTLS")?;
    assert!(starttls.has_child("required", TLS));
    assert_eq!(mechanisms(&client), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn with_tls_every_mechanism_is_offered() -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    for (security, listener) in [(Security::StartTls, "c2s"), (Security::DirectTls, "c2s_tls")] {
        let mut login = server.login("alice", "alice")?;
        login.security = security;
        login.address = server.address(listener)?;
        let client = Client::open(login).await?;
        for mechanism in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"] {
            assert!(mechanisms(&client).iter().any(|name| name == mechanism), "{security:?} {mechanism}");
        }
        assert!(!client.features().has_child("starttls", TLS), "STARTTLS inside TLS");
    }
    Ok(())
}

#[tokio::test]
async fn a_password_changed_by_the_operator_counts_from_the_next_login_on() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("alice", "old").await?;
    Client::connect(server.login("alice", "old")?).await?.close().await?;
    server.cli(&["user", "passwd", "alice@localhost", "--password-stdin"], "new\n").await?.success()?;
    assert!(Client::connect(server.login("alice", "old")?).await.is_err());
    Client::connect(server.login("alice", "new")?).await?.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_account_that_the_operator_deletes_is_logged_out() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    server.cli(&["user", "delete", "alice@localhost"], "").await?.success()?;
    alice.ended().await?;
    assert!(Client::connect(server.login("alice", "alice")?).await.is_err());
    Ok(())
}
