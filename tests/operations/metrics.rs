//! `/metrics`: what happened is counted, on every database, and Prometheus' own checker finds nothing to say.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use services::program;
use testkit::{Backend, Client, Security, TestServer};

use crate::{metrics_of, page, value};

async fn watched(backend: Backend) -> Result<TestServer> {
    TestServer::builder().database(backend).set("metrics.listen", "\"127.0.0.1:0\"").start().await
}

#[tokio::test]
async fn what_clients_do_is_counted() -> Result<()> {
    let server = watched(Backend::Sqlite).await?;
    let mut alice = server.alice().await?;
    server.bob().await?.close().await?;
    alice.say("bob@localhost", "later").await?;
    alice.round_trip().await?;
    let mut bob = server.bob().await?;
    bob.message().await?;
    alice.say(bob.bare(), "now").await?;
    bob.message().await?;
    let mut wrong = Client::open(server.login("alice", "wrong")?).await?;
    ensure!(wrong.try_authenticate().await?.is_some(), "a wrong password is refused");
    server.add_user("carol", "carol").await?;
    let mut login = server.login("carol", "carol")?;
    (login.security, login.address) = (Security::DirectTls, server.address("c2s_tls")?);
    let mut carol = Client::connect(login).await?;
    carol.round_trip().await?;

    let text = metrics_of(&server).await?;
    for (sample, expected) in [
        ("whimbrel_sessions{transport=\"tcp\",state=\"connected\"}", 2.0),
        ("whimbrel_sessions{transport=\"tls\",state=\"connected\"}", 1.0),
        ("whimbrel_sessions{transport=\"none\",state=\"hibernating\"}", 0.0),
        ("whimbrel_sessions_begun_total", 4.0),
        ("whimbrel_stanzas_received_total{kind=\"message\"}", 2.0),
        ("whimbrel_stanzas_sent_total{kind=\"message\"}", 2.0),
        ("whimbrel_messages_kept_total", 1.0),
        ("whimbrel_messages_caught_up_total", 1.0),
        ("whimbrel_logins_total{secret=\"password\",outcome=\"accepted\"}", 4.0),
        ("whimbrel_logins_total{secret=\"password\",outcome=\"wrong\"}", 1.0),
        ("whimbrel_session_queue_stanzas", 0.0),
        ("whimbrel_draining", 0.0),
    ] {
        ensure!(value(&text, sample)? == expected, "{sample} is not {expected}:\n{text}");
    }
    for sample in [
        "whimbrel_stanzas_received_total{kind=\"iq\"}",
        "whimbrel_stanzas_received_total{kind=\"presence\"}",
        "whimbrel_certificate_end_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        ensure!(value(&text, sample)? > 0.0, "{sample}:\n{text}");
    }
    for private in ["alice", "bob", "carol", "127.0.0.1"] {
        ensure!(!text.contains(private), "{private} in:\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_lost_its_connection_counts_as_hibernating_and_then_as_resumed() -> Result<()> {
    let server = watched(Backend::Sqlite).await?;
    let mut alice = server.alice().await?;
    alice.enable_sm().await?;
    let suspended = alice.cut();
    let hibernating = "whimbrel_sessions{transport=\"none\",state=\"hibernating\"}";
    while value(&metrics_of(&server).await?, hibernating)? != 1.0 {}
    let (mut alice, _) = suspended.resume().await?;
    alice.round_trip().await?;
    let text = metrics_of(&server).await?;
    ensure!(value(&text, hibernating)? == 0.0, "{text}");
    ensure!(value(&text, "whimbrel_sessions_resumed_total")? == 1.0, "{text}");
    Ok(())
}

#[tokio::test]
async fn commits_are_counted_on_every_database() -> Result<()> {
    for backend in Backend::ALL {
        let server = watched(backend).await?;
        let mut alice = server.alice().await?;
        let before = value(&metrics_of(&server).await?, "whimbrel_database_commit_duration_seconds_count")?;
        server.bob().await?.close().await?;
        for number in 0..5 {
            alice.say("bob@localhost", &format!("number {number}")).await?;
            alice.round_trip().await?;
        }
        let text = metrics_of(&server).await?;
        let commits = value(&text, "whimbrel_database_commit_duration_seconds_count")?;
        ensure!(commits >= before + 5.0, "{} had {before} commits and has {commits}", backend.name());
        ensure!(value(&text, "whimbrel_database_commit_duration_seconds_sum")? > 0.0, "{text}");
        ensure!(value(&text, "whimbrel_database_commit_batches_sum")? >= commits, "{text}");
        ensure!(value(&text, "whimbrel_database_commits_failed_total")? == 0.0, "{text}");
        ensure!(text.contains(&format!("database=\"{}\"", backend.name())), "{text}");
        promtool_accepts(&text)?;
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() -> Result<()> {
    let server = watched(Backend::Sqlite).await?;
    let http = server.address("http")?;
    for path in ["/healthz", "/healthz", "/.well-known/acme-challenge/hush", "/no/such/hush"] {
        page(http, path).await?;
    }
    let text = metrics_of(&server).await?;
    for (route, status, expected) in
        [("/healthz", 200, 2.0), ("/.well-known/acme-challenge/{token}", 404, 1.0), ("other", 404, 1.0)]
    {
        let sample = format!("whimbrel_http_request_duration_seconds_count{{route=\"{route}\",status=\"{status}\"}}");
        ensure!(value(&text, &sample)? == expected, "{sample}:\n{text}");
    }
    ensure!(!text.contains("hush"), "{text}");
    promtool_accepts(&text)
}

/// `promtool check metrics`, which complains about names, helps and types.
fn promtool_accepts(metrics: &str) -> Result<()> {
    let mut checker = Command::new(program("promtool", "prometheus")?);
    let checker =
        checker.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checker = checker.spawn()?;
    checker.stdin.take().context("no stdin")?.write_all(metrics.as_bytes())?;
    let output = checker.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "promtool: {said}\n{metrics}");
    Ok(())
}
