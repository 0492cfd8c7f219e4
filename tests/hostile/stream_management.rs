//! Lies about stream management (XEP-0198).

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::Client;

use crate::stage::{Stage, last_condition};

const SM: &str = "urn:xmpp:sm:3";

/// Reads the next `<failed/>`; its condition.
async fn failed(client: &mut Client) -> Result<String> {
    let answer = client.until(|element| element.is("failed", SM)).await?;
    Ok(answer.children().next().context("a failure without a condition")?.name().to_owned())
}

/// The stream ended because of a count that cannot be (§4): both conditions, with the two numbers.
fn is_count_too_high(read: &[Element], h: &str, send_count: &str) -> Result<()> {
    ensure!(last_condition(read)? == "undefined-condition", "RFC 6120 §4.9.3.21");
    let error = read.iter().find(|element| element.name() == "error").context("no error")?;
    let detail = error.get_child("handled-count-too-high", SM).context("no <handled-count-too-high/>")?;
    ensure!(detail.attr("h") == Some(h), "{detail:?}");
    ensure!(detail.attr("send-count") == Some(send_count), "{detail:?}");
    Ok(())
}

#[tokio::test]
async fn who_acknowledges_what_was_never_sent_is_cut_off() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.enable_sm().await?;
    stage.neighbour.say(mallory.bare(), "one").await?;
    mallory.message().await?;
    mallory.send(&format!("<a xmlns='{SM}' h='999'/>")).await?;
    is_count_too_high(&mallory.ended().await?, "999", "1")?;
    // What it lied about was not delivered by that.
    let mut again = stage.server.online("mallory").await?;
    again.message().await?;

    again.enable_sm().await?;
    stage.neighbour.say(again.bare(), "two").await?;
    again.message().await?;
    again.ack().await?;
    // Backwards is no better: h only ever grows.
    again.send(&format!("<a xmlns='{SM}' h='0'/>")).await?;
    is_count_too_high(&again.ended().await?, "0", "1")?;
    stage.goes_on().await
}

#[tokio::test]
async fn a_count_that_is_no_number_ends_the_stream() -> Result<()> {
    let mut stage = Stage::new().await?;
    for h in ["h='-1'", "h='4294967296'", "h='one'", ""] {
        let mut mallory = stage.server.online("mallory").await?;
        mallory.enable_sm().await?;
        mallory.send(&format!("<a xmlns='{SM}' {h}/>")).await?;
        assert_eq!(last_condition(&mallory.ended().await?)?, "bad-format", "for {h}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn stream_management_is_enabled_once() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.enable_sm().await?;
    mallory.say(stage.neighbour.bare(), "counted").await?;
    mallory.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await?;
    assert_eq!(failed(&mut mallory).await?, "unexpected-request");
    assert_eq!(mallory.acked().await?, 1, "the count goes on");
    // Nor is a session that is bound resumed into.
    mallory.send(&format!("<resume xmlns='{SM}' h='0' previd='x'/>")).await?;
    assert_eq!(failed(&mut mallory).await?, "unexpected-request");
    let suspended = mallory.cut();
    let (mut mallory, _) = suspended.resume().await?;
    mallory.say(stage.neighbour.bare(), "resumed").await?;
    assert_eq!(mallory.acked().await?, 2);
    stage.goes_on().await
}

#[tokio::test]
async fn stream_management_before_its_time_is_refused() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut client = Client::open(stage.server.login("mallory", "mallory")?).await?;
    for request in ["<enable", "<resume h='0' previd='x'"] {
        client.send(&format!("{request} xmlns='{SM}'/>")).await?;
        assert_eq!(failed(&mut client).await?, "unexpected-request", "before log-in");
    }
    client.authenticate().await?;
    client.send(&format!("<enable xmlns='{SM}'/>")).await?;
    assert_eq!(failed(&mut client).await?, "unexpected-request", "before binding (§3)");
    client.bind().await?;
    client.enable_sm().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn nobody_resumes_the_session_of_another() -> Result<()> {
    let mut stage = Stage::new().await?;
    stage.neighbour.enable_sm().await?;
    let foreign = stage.neighbour.sm_id().context("no id")?.to_owned();
    let unknown = "0".repeat(32);
    for previd in [&*foreign, &*unknown, "", "x", "\u{1F426}"] {
        let mut mallory = Client::open(stage.server.login("mallory", "mallory")?).await?;
        mallory.authenticate().await?;
        mallory.send(&format!("<resume xmlns='{SM}' h='0' previd='{previd}'/>")).await?;
        assert_eq!(failed(&mut mallory).await?, "item-not-found", "for {previd}");
        // §5: then it may bind instead.
        mallory.bind().await?;
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_resumption_with_a_count_that_cannot_be_ends_the_session() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.enable_sm().await?;
    let id = mallory.sm_id().context("no id")?.to_owned();
    let login = mallory.cut().login().clone();
    let mut liar = Client::open(login).await?;
    liar.authenticate().await?;
    liar.send(&format!("<resume xmlns='{SM}' h='77' previd='{id}'/>")).await?;
    is_count_too_high(&liar.ended().await?, "77", "0")?;
    stage.goes_on().await
}
