//! TLS itself as the target: handshakes that never end, renegotiation, and channel binding that somebody in the middle
//! has struck from the offer (RFC 5802 §6).

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use testkit::TestServer;
use testkit::raw::Raw;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::cost::{Chat, Meter};
use crate::stage::Stage;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_never_end_are_strangers_like_others() -> Result<()> {
    const BEGUN: usize = 200;
    let bound = (BEGUN + 2).to_string();
    let builder = TestServer::builder().set("limits.pre_auth_connections_max", &bound);
    let mut stage = Stage::with(builder.set("limits.pre_auth_secs", "600")).await?;
    let chat = Chat::begin(&stage.server).await?;
    let direct = stage.server.address("c2s_tls")?;
    let meter = Meter::start(&stage.server)?;
    let mut begun = Vec::new();
    for _ in 0..BEGUN {
        let mut raw = Raw::connect(direct).await?;
        raw.begin_handshake("localhost", &stage.server.ca()).await?;
        begun.push(raw);
    }
    // Each is answered, which is what costs, and then waited for.
    for raw in &mut begun {
        raw.until("\x16").await.context("no ServerHello")?;
    }
    meter.spent()?.print("handshakes begun and never finished, the chat included", BEGUN);
    chat.end().await?;
    // Two places are left.
    let _fill = [stage.stranger().await?, stage.stranger().await?];
    assert_eq!(Raw::connect(direct).await?.ended().await?, "", "one more is refused before any handshake");
    stage.neighbour.round_trip().await
}

/// TLS 1.3 has no renegotiation, and that of TLS 1.2 is refused (RFC 9325 §3.5).
#[tokio::test]
async fn renegotiation_is_refused() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.pre_auth_secs", "2")).await?;
    let server = stage.server.address("c2s_tls")?.to_string();
    let openssl = Command::new("openssl")
        .args(["s_client", "-connect", &server, "-tls1_2", "-alpn", "xmpp-client", "-servername", "localhost"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut openssl = match openssl {
        Ok(openssl) => openssl,
        Err(error) => bail!("openssl (the package `openssl`) is needed for this test: {error}"),
    };
    let mut input = openssl.stdin.take().context("no stdin")?;
    let mut output = BufReader::new(openssl.stdout.take().context("no stdout")?).lines();
    let mut complaints = BufReader::new(openssl.stderr.take().context("no stderr")?).lines();
    let mut said = String::new();
    let watching = async {
        // The last line of what it says of a connection that stands; then its letter for a new handshake, which begins
        // with what is written next.
        while let Some(line) = output.next_line().await? {
            if line.contains("Extended master secret") {
                input.write_all(b"R\n").await?;
                break;
            }
        }
        while let Some(line) = complaints.next_line().await? {
            if line.contains("RENEGOTIATING") {
                input.write_all(b"<presence/>\n").await?;
            }
            said.push_str(&line);
            said.push('\n');
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(testkit::DEADLINE, watching).await.context("neither refused nor ended")??;
    ensure!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "it was not refused: {said}");
    stage.goes_on().await
}

#[tokio::test]
async fn who_is_made_to_believe_that_binding_is_not_offered_is_refused() -> Result<()> {
    let mut stage = Stage::new().await?;
    let raw = Raw::connect(stage.server.address("c2s_tls")?).await?;
    let mut client = raw.shake_hands("localhost", &stage.server.ca(), Some("xmpp-client")).await?;
    let offer = client.open("localhost").await?;
    ensure!(offer.contains("SCRAM-SHA-256-PLUS"), "channel binding is on offer: {offer}");
    for (gs2, expected) in [("y,,", "<not-authorized/>"), ("n,,", "<challenge ")] {
        let first = BASE64.encode(format!("{gs2}n=alice,r=abcdef"));
        client.restart();
        client.send(format!("<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")).await?;
        let answer = client.until_one_of(&["</failure>", "</challenge>"]).await?;
        ensure!(answer.contains(expected), "for {gs2}: {answer}");
    }
    stage.goes_on().await
}
