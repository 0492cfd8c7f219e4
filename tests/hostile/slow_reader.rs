//! Clients that do not read what is sent to them. Senders never wait for them, and no message is lost.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::raw::Raw;
use testkit::{Client, TestServer, TestServerBuilder};

use crate::stage::{Stage, document, last_condition, stream_error};

/// More than the kernel holds for a connection that nobody reads.
const MESSAGES: usize = 700;
const BODY_BYTES: usize = 16_384;

/// Bob on a narrow line, online, who does not read from here on.
async fn bob_who_stops_reading(stage: &Stage) -> Result<Raw> {
    stage.server.add_user("bob", "bob").await?;
    let mut bob = Raw::connect_narrow(stage.server.address("c2s")?).await?;
    bob.open("localhost").await?;
    bob.log_in("localhost", "bob", "bob").await?;
    bob.bind("phone").await?;
    bob.send("<presence/>").await?;
    bob.until("<presence").await?;
    Ok(bob)
}

/// Sends numbered messages, and sees that all of them were handled.
async fn write_to_bob(alice: &mut Client) -> Result<()> {
    let padding = "x".repeat(BODY_BYTES);
    for number in 0..MESSAGES {
        alice
            .send(&format!("<message to='bob@localhost' type='chat'><body>{number} {padding}</body></message>"))
            .await?;
    }
    ensure!(alice.arrived().await?.is_empty(), "no error comes back: all are stored");
    Ok(())
}

/// Room for everything, so that only the line is slow.
fn roomy() -> TestServerBuilder {
    TestServer::builder()
        .set("limits.session_queue_stanzas_max", "10000")
        .set("limits.sm_queue_stanzas_max", "10000")
        .set("limits.sm_queue_bytes_max", "268435456")
}

fn number(message: &Element) -> Option<usize> {
    message.get_child("body", "jabber:client")?.text().split(' ').next()?.parse().ok()
}

/// The numbers of the messages that wait for Bob.
async fn what_waits_for_bob(bob: &mut Client) -> Result<Vec<usize>> {
    bob.send("<presence/>").await?;
    Ok(bob.arrived().await?.iter().filter_map(number).collect())
}

#[tokio::test]
async fn a_session_that_falls_too_far_behind_ends_and_its_messages_wait_for_the_next() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.session_queue_stanzas_max", "16")).await?;
    let mut carol = stage.server.online("carol").await?;
    let mut bob = bob_who_stops_reading(&stage).await?;
    write_to_bob(&mut stage.neighbour).await?;
    stage.neighbour.say(carol.bare(), "are you slow too?").await?;
    carol.message().await?;

    // What came through before the end; the last message may have been cut in two.
    let stream = bob.ended().await?;
    let whole = stream.split("<message ").skip(1).filter(|message| message.contains("</message>"));
    let seen: Vec<usize> = whole
        .map(|message| {
            let body = message.split("<body>").nth(1).and_then(|body| body.split(' ').next());
            Ok(body.context("a message without a number")?.parse()?)
        })
        .collect::<Result<_>>()?;
    ensure!(seen.len() < MESSAGES, "all {MESSAGES} went through: nothing was slow");
    let mut again = Client::connect(stage.server.login("bob", "bob")?).await?;
    let waited = what_waits_for_bob(&mut again).await?;
    ensure!(seen.is_sorted() && waited.is_sorted(), "in the order sent: {seen:?}, {waited:?}");
    let all: BTreeSet<usize> = seen.iter().chain(&waited).copied().collect();
    ensure!(all == (0..MESSAGES).collect(), "{} of {MESSAGES} arrived", all.len());
    stage.goes_on().await
}

#[tokio::test]
async fn a_stream_that_is_ended_in_the_middle_of_a_write_still_ends_in_good_order() -> Result<()> {
    let mut stage = Stage::with(roomy()).await?;
    let mut bob = bob_who_stops_reading(&stage).await?;
    write_to_bob(&mut stage.neighbour).await?;
    // The server is stuck in a write to Bob when his next connection takes the resource.
    let mut login = stage.server.login("bob", "bob")?;
    login.resource = Some(String::from("phone"));
    let mut again = Client::connect(login).await?;
    let stream = bob.ended().await?;
    assert_eq!(stream_error(&stream)?, "conflict");
    let mut seen: Vec<usize> = document(&stream)?.children().filter_map(number).collect();
    seen.extend(what_waits_for_bob(&mut again).await?);
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>(), "each message once, in order, over both streams");
    stage.goes_on().await
}

#[tokio::test]
async fn who_never_acknowledges_is_cut_off_and_gets_it_all_at_the_next_log_in() -> Result<()> {
    let mut stage = Stage::with(TestServer::builder().set("limits.sm_queue_stanzas_max", "16")).await?;
    let mut bob = stage.server.bob().await?;
    bob.enable_sm().await?;
    for number in 0..40 {
        stage.neighbour.say("bob@localhost", &format!("{number} of many")).await?;
    }
    stage.neighbour.round_trip().await?;
    assert_eq!(last_condition(&bob.ended().await?)?, "policy-violation");
    let mut again = Client::connect(stage.server.login("bob", "bob")?).await?;
    assert_eq!(what_waits_for_bob(&mut again).await?, (0..40).collect::<Vec<_>>());
    stage.goes_on().await
}

#[tokio::test]
async fn a_line_that_breaks_in_the_middle_of_a_write_costs_nothing_once_resumed() -> Result<()> {
    let mut stage = Stage::with(roomy()).await?;
    let mut bob = stage.server.bob().await?;
    bob.enable_sm().await?;
    write_to_bob(&mut stage.neighbour).await?;
    let (mut bob, _) = bob.cut().resume().await?;
    let seen: Vec<usize> = bob.arrived().await?.iter().filter_map(number).collect();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    stage.goes_on().await
}

#[tokio::test]
async fn a_session_is_resumed_while_its_old_connection_is_stuck_in_a_write() -> Result<()> {
    let mut stage = Stage::with(roomy()).await?;
    let mut stuck = stage.server.bob().await?;
    stuck.enable_sm().await?;
    write_to_bob(&mut stage.neighbour).await?;
    let id = stuck.sm_id().context("no id")?.to_owned();
    let mut bob = Client::open(stage.server.login("bob", "bob")?).await?;
    bob.authenticate().await?;
    bob.send(&format!("<resume xmlns='urn:xmpp:sm:3' h='0' previd='{id}'/>")).await?;
    bob.until(|element| element.name() == "resumed").await?;
    let seen: Vec<usize> = bob.arrived().await?.iter().filter_map(number).collect();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    stage.goes_on().await
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_slow_readers() -> Result<()> {
    let mut stage = Stage::with(roomy()).await?;
    let _bob = bob_who_stops_reading(&stage).await?;
    write_to_bob(&mut stage.neighbour).await?;
    stage.server.terminate().await?;
    assert_eq!(last_condition(&stage.neighbour.ended().await?)?, "system-shutdown");
    Ok(())
}
