//! Authentication by people who should not get in (RFC 6120 §6).

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::TestServer;
use testkit::raw::{Raw, decoded, header};

use crate::stage::{Stage, stream_error};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

fn auth(mechanism: &str, message: &str) -> String {
    format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{message}</auth>")
}

/// Sends something and reads the condition of the `<failure/>` that answers it.
async fn failure(stranger: &mut Raw, sent: &str) -> Result<String> {
    stranger.restart();
    stranger.send(sent).await?;
    let answer: Element = stranger.until("</failure>").await?.parse()?;
    ensure!(answer.is("failure", SASL), "no failure of SASL");
    let condition = answer.children().find(|child| child.name() != "text").context("a failure without a condition")?;
    Ok(condition.name().to_owned())
}

/// Reads the `<challenge/>` that answers something.
async fn challenged(stranger: &mut Raw, sent: &str) -> Result<String> {
    stranger.restart();
    stranger.send(sent).await?;
    stranger.until("</challenge>").await
}

#[tokio::test]
async fn each_wrong_attempt_is_answered_with_its_own_failure_and_the_stream_lives() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.auth_attempts_max", "100")).await?;
    let mut stranger = stage.stranger().await?;
    // "n,,n=alice,r=abcdef" and others, in base64.
    let first = "biwsbj1hbGljZSxyPWFiY2RlZg==";
    for (sent, expected) in [
        (auth("X-NONE", "="), "invalid-mechanism"),
        (auth("", "="), "invalid-mechanism"),
        (format!("<auth xmlns='{SASL}'>{first}</auth>"), "invalid-mechanism"),
        // Not on offer without TLS: neither the password itself nor channel binding.
        (auth("PLAIN", "AGFsaWNlAGFsaWNl"), "invalid-mechanism"),
        (auth("SCRAM-SHA-256-PLUS", first), "invalid-mechanism"),
        (auth("SCRAM-SHA-256", "!!!"), "incorrect-encoding"),
        (auth("SCRAM-SHA-256", "biws*"), "incorrect-encoding"),
        (auth("SCRAM-SHA-256", "biw"), "incorrect-encoding"),
        (auth("SCRAM-SHA-256", "bm9uc2Vuc2U="), "malformed-request"),
        (auth("SCRAM-SHA-256", "//8="), "malformed-request"),
        // 9,000 bytes are more than any mechanism needs.
        (auth("SCRAM-SHA-256", &"AAAA".repeat(2_400)), "malformed-request"),
        (format!("<abort xmlns='{SASL}'/>"), "aborted"),
    ] {
        let condition = failure(&mut stranger, &sent).await.with_context(|| format!("after {sent:.80}"))?;
        ensure!(condition == expected, "{condition} instead of {expected} for {sent:.80}");
    }
    // After all that the right password is still welcome.
    stranger.log_in("localhost", "mallory", "mallory").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn an_exchange_can_be_aborted_in_the_middle() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut stranger = stage.stranger().await?;
    challenged(&mut stranger, &auth("SCRAM-SHA-256", "biwsbj1hbGljZSxyPWFiY2RlZg==")).await?;
    assert_eq!(failure(&mut stranger, &format!("<abort xmlns='{SASL}'/>")).await?, "aborted");
    challenged(&mut stranger, &auth("SCRAM-SHA-256", "biwsbj1hbGljZSxyPWFiY2RlZg==")).await?;
    assert_eq!(failure(&mut stranger, &format!("<response xmlns='{SASL}'>?</response>")).await?, "incorrect-encoding");
    stranger.log_in("localhost", "mallory", "mallory").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn after_too_many_wrong_passwords_the_connection_is_closed() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut stranger = stage.stranger().await?;
    let first = auth("SCRAM-SHA-256", "biwsbj1hbGljZSxyPWFiY2RlZg==");
    // The proof of no password at all, with the nonce of nobody.
    let last = format!("<response xmlns='{SASL}'>Yz1iaXdzLHI9YWJjZGVmLHA9QUFBQQ==</response>");
    for _ in 0..2 {
        challenged(&mut stranger, &first).await?;
        failure(&mut stranger, &last).await?;
    }
    challenged(&mut stranger, &first).await?;
    stranger.restart();
    stranger.send(&last).await?;
    let end = stranger.ended().await?;
    assert!(end.starts_with("<failure"), "the last failure is told too: {end}");
    assert_eq!(stream_error(&format!("{}{end}", header("localhost")))?, "policy-violation");
    stage.goes_on().await
}

#[tokio::test]
async fn an_unknown_account_looks_like_a_known_one() -> Result<()> {
    let mut stage = Stage::new().await?;
    // "n,,n=nobody,r=abcdef"
    let unknown = auth("SCRAM-SHA-256", "biwsbj1ub2JvZHkscj1hYmNkZWY=");
    let mut salts = Vec::new();
    for _ in 0..2 {
        let mut stranger = stage.stranger().await?;
        let challenge: Element = challenged(&mut stranger, &unknown).await?.parse()?;
        // The nonce differs each time, the salt must not.
        let text = decoded(&challenge.text())?;
        let salt = text.split(',').find(|field| field.starts_with("s=")).context("no salt")?.to_owned();
        salts.push((salt, text.split(',').find(|field| field.starts_with("i=")).map(str::to_owned)));
    }
    assert_eq!(salts[0], salts[1], "a salt that changes gives away that there is no account");
    let mut stranger = stage.stranger().await?;
    let challenge: Element =
        challenged(&mut stranger, &auth("SCRAM-SHA-256", "biwsbj1hbGljZSxyPWFiY2RlZg==")).await?.parse()?;
    let known = decoded(&challenge.text())?;
    let iterations = known.split(',').find(|field| field.starts_with("i=")).map(str::to_owned);
    assert_eq!(iterations, salts[0].1, "the cost must not tell them apart");
    stage.goes_on().await
}

#[tokio::test]
async fn nothing_but_negotiation_is_heard_before_log_in() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    for (sent, expected) in [
        (format!("<message to='{to}' type='chat'><body>hi</body></message>"), "not-authorized"),
        (String::from("<presence/>"), "not-authorized"),
        (String::from("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"), "not-authorized"),
        (String::from("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"), "not-authorized"),
        (String::from("<thing xmlns='urn:x'/>"), "unsupported-stanza-type"),
    ] {
        let mut stranger = stage.stranger().await?;
        stranger.send(&sent).await?;
        let condition = stream_error(&stranger.ended().await?).with_context(|| format!("after {sent}"))?;
        ensure!(condition == expected, "{condition} instead of {expected} for {sent}");
    }
    stage.neighbour.expect_nothing().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn nothing_but_a_resource_is_asked_for_after_log_in() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    for sent in [
        format!("<message to='{to}' type='chat'><body>hi</body></message>"),
        String::from("<presence/>"),
        String::from("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"),
        auth("SCRAM-SHA-256", "biwsbj1hbGljZSxyPWFiY2RlZg=="),
    ] {
        let mut half = stage.stranger().await?;
        half.log_in("localhost", "mallory", "mallory").await?;
        half.send(&sent).await?;
        assert_eq!(stream_error(&half.ended().await?)?, "not-authorized", "for {sent}");
    }
    stage.neighbour.expect_nothing().await?;
    stage.goes_on().await
}
