//! People who guess passwords (`limits.auth_failures_per_ip_per_minute_max`,
//! `limits.auth_failures_per_account_per_minute_max`) or make accounts by the dozen
//! (`limits.registrations_per_ip_per_hour_max`).

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use testkit::raw::Raw;
use testkit::sasl2::Device;
use testkit::{Client, Login, Security, TestServer, TestServerBuilder};

use crate::cost::{Chat, Meter};
use crate::stage::Stage;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";

const PER_IP: usize = 5;
const PER_ACCOUNT: usize = 12;

fn bounded() -> TestServerBuilder {
    TestServer::builder()
        .set("limits.auth_failures_per_ip_per_minute_max", &PER_IP.to_string())
        .set("limits.auth_failures_per_account_per_minute_max", &PER_ACCOUNT.to_string())
        .set("limits.auth_attempts_max", "100")
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// PLAIN in the elements of either profile.
fn plain(profile: &str, localpart: &str, password: &str) -> String {
    let message = BASE64.encode(format!("\0{localpart}\0{password}"));
    if profile == SASL2 {
        format!(
            "<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{message}</initial-response></authenticate>"
        )
    } else {
        format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>")
    }
}

/// SCRAM's first message in the elements of either profile.
fn scram(profile: &str, localpart: &str) -> String {
    plain(profile, "", "")
        .replace("PLAIN", "SCRAM-SHA-256")
        .replace(&BASE64.encode("\0\0"), &BASE64.encode(format!("n,,n={localpart},r=abcdef")))
}

/// A stream under TLS from that address, where PLAIN is on offer.
async fn encrypted(server: &TestServer, last: u8) -> Result<Raw> {
    let raw = Raw::connect_from(address(last), server.address("c2s_tls")?).await?;
    let mut raw = raw.shake_hands(server.domain(), &server.ca(), Some("xmpp-client")).await?;
    raw.open(server.domain()).await?;
    Ok(raw)
}

/// Sends an attempt; the name of what answers it, or of the condition of its failure.
async fn outcome(raw: &mut Raw, sent: &str) -> Result<&'static str> {
    raw.restart();
    raw.send(sent).await?;
    let answer = raw.until_one_of(&["</failure>", "</challenge>", "<success"]).await?;
    let known = ["not-authorized", "temporary-auth-failure", "challenge", "success"];
    known.into_iter().find(|name| answer.contains(&format!("<{name}"))).with_context(|| format!("received {answer}"))
}

async fn guess(raw: &mut Raw, localpart: &str, times: usize) -> Result<()> {
    for number in 0..times {
        let outcome = outcome(raw, &plain(SASL, localpart, &format!("guess {number}"))).await?;
        ensure!(outcome == "not-authorized", "{outcome} for guess {number}");
    }
    Ok(())
}

#[tokio::test]
async fn who_guesses_too_often_is_refused_at_once_whatever_comes_next() -> Result<()> {
    let mut stage = Stage::with(bounded()).await?;
    let mut guesser = encrypted(&stage.server, 9).await?;
    guess(&mut guesser, "alice", PER_IP).await?;
    for profile in [SASL, SASL2] {
        for attempt in [
            plain(profile, "alice", "alice"),
            plain(profile, "mallory", "mallory"),
            plain(profile, "nobody", "x"),
            scram(profile, "alice"),
            scram(profile, "nobody"),
        ] {
            assert_eq!(outcome(&mut guesser, &attempt).await?, "temporary-auth-failure", "{attempt}");
        }
    }
    // On another connection too, and not from another address.
    let mut again = encrypted(&stage.server, 9).await?;
    assert_eq!(outcome(&mut again, &plain(SASL, "mallory", "mallory")).await?, "temporary-auth-failure");
    let mut neighbour = encrypted(&stage.server, 10).await?;
    assert_eq!(outcome(&mut neighbour, &plain(SASL, "mallory", "mallory")).await?, "success");
    let log = stage.server.log();
    assert_eq!(log.matches("too many failed log-ins: refused").count(), 1, "a line an address and minute\n{log}");
    ensure!(log.contains("auth_failures_per_ip_per_minute_max"), "and it names the bound");
    stage.goes_on().await
}

#[tokio::test]
async fn many_exchanges_that_were_begun_in_time_are_not_many_guesses() -> Result<()> {
    let mut stage = Stage::with(bounded()).await?;
    let mut begun = Vec::new();
    for _ in 0..PER_IP * 3 {
        let mut raw = encrypted(&stage.server, 9).await?;
        assert_eq!(outcome(&mut raw, &scram(SASL, "alice")).await?, "challenge");
        begun.push(raw);
    }
    let last = format!("<response xmlns='{SASL}'>Yz1iaXdzLHI9YWJjZGVmLHA9QUFBQQ==</response>");
    let mut guesses = 0;
    for mut raw in begun {
        guesses += usize::from(outcome(&mut raw, &last).await? == "not-authorized");
    }
    assert_eq!(guesses, PER_IP);
    stage.goes_on().await
}

#[tokio::test]
async fn an_account_under_attack_from_everywhere_still_opens_for_its_owner() -> Result<()> {
    let mut stage = Stage::with(bounded()).await?;
    let server = &stage.server;
    // Alice has logged in from 127.0.0.1, and has a device with a token.
    let mut over_tls = Login { security: Security::DirectTls, ..server.login("alice", "alice")? };
    over_tls.address = server.address("c2s_tls")?;
    let mut phone = Device::new(over_tls, 1);
    phone.register("HT-SHA-256-EXPR").await?;
    for guesser in 0..3 {
        guess(&mut encrypted(server, 20 + guesser).await?, "alice", PER_ACCOUNT / 3).await?;
    }
    let mut elsewhere = encrypted(server, 30).await?;
    for attempt in [plain(SASL, "alice", "alice"), plain(SASL2, "alice", "alice"), scram(SASL, "alice")] {
        assert_eq!(outcome(&mut elsewhere, &attempt).await?, "temporary-auth-failure");
    }
    assert_eq!(outcome(&mut elsewhere, &scram(SASL, "mallory")).await?, "challenge", "others are not concerned");
    // From home the password is good, and from anywhere the token.
    Client::connect(server.login("alice", "alice")?).await.context("from a known address")?;
    phone.login.source = Some(address(31));
    phone.come_back("", "").await.context("with a token from an unknown address")?;
    stage.goes_on().await
}

#[tokio::test]
async fn an_address_that_guesses_keeps_nobody_out_who_was_there_before() -> Result<()> {
    let mut stage = Stage::with(bounded()).await?;
    // From the neighbour's own address.
    guess(&mut encrypted(&stage.server, 1).await?, "mallory", PER_IP).await?;
    Client::connect(stage.server.login("alice", "alice")?).await.context("the owner beside the guesser")?;
    let mut stranger = encrypted(&stage.server, 1).await?;
    assert_eq!(outcome(&mut stranger, &plain(SASL, "mallory", "mallory")).await?, "temporary-auth-failure");
    stage.goes_on().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_guesses_cost_much_less_than_a_password_check() -> Result<()> {
    const CHECKED: usize = 50;
    const REFUSED: usize = 2_000;
    let bounds = bounded().set("limits.auth_failures_per_ip_per_minute_max", &CHECKED.to_string());
    let bounds = bounds.set("limits.auth_failures_per_account_per_minute_max", "\"none\"");
    let mut stage = Stage::with(bounds).await?;
    let mut guesser = encrypted(&stage.server, 9).await?;
    let meter = Meter::start(&stage.server)?;
    guess(&mut guesser, "alice", CHECKED).await?;
    let checked = meter.spent()?;
    checked.print("guesses whose password is checked", CHECKED);

    let chat = Chat::begin(&stage.server).await?;
    let meter = Meter::start(&stage.server)?;
    for round in 0..REFUSED / 80 {
        let mut guesser = encrypted(&stage.server, 9).await?;
        for _ in 0..80 {
            let outcome = outcome(&mut guesser, &plain(SASL, "alice", "guess")).await?;
            ensure!(outcome == "temporary-auth-failure", "{outcome} in round {round}");
        }
    }
    let refused = meter.spent()?;
    refused.print("guesses over the bound, handshakes and the chat included", REFUSED);
    chat.end().await?;
    let (each_checked, each_refused) = (checked.cpu / u32::try_from(CHECKED)?, refused.cpu / u32::try_from(REFUSED)?);
    ensure!(each_refused * 2 < each_checked, "{each_refused:?} for a refusal, {each_checked:?} for a check");
    stage.goes_on().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_makes_so_many_accounts_an_hour_and_no_more() -> Result<()> {
    const ASKED: usize = 500;
    let mut stage = Stage::with(TestServer::builder().set("registration.in_band", "true")).await?;
    let chat = Chat::begin(&stage.server).await?;
    let mut outcomes = [0, 0];
    let meter = Meter::start(&stage.server)?;
    let mut stranger = stage.stranger().await?;
    for number in 0..ASKED {
        stranger.restart();
        stranger
            .send(format!(
                "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>bot{number}</username>\
                 <password>secret</password></query></iq>"
            ))
            .await?;
        let answer = stranger.until("/>").await?;
        let refused = answer.contains("type='error'");
        ensure!(!refused || stranger.until("</iq>").await?.contains("<resource-constraint "), "{answer}");
        outcomes[usize::from(refused)] += 1;
    }
    meter.spent()?.print("registrations from one address, the chat included", ASKED);
    assert_eq!(outcomes, [5, ASKED - 5], "limits.registrations_per_ip_per_hour_max");
    // Another address has its own hour.
    let mut other = Raw::connect_from(address(2), stage.server.address("c2s")?).await?;
    other.open("localhost").await?;
    other
        .send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>erin</username><password>secret</password></query></iq>")
        .await?;
    other.until("type='result'").await?;
    chat.end().await?;
    stage.goes_on().await
}
