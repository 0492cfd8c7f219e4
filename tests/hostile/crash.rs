//! The server ends in the middle of things: by SIGKILL, as a power cut would end it, and by SIGTERM.

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::TestServer;

use crate::stage::{Stage, last_condition};

const MESSAGES: u32 = 200;
const SM: &str = "urn:xmpp:sm:3";

fn text(message: &Element) -> Option<String> {
    Some(message.get_child("body", "jabber:client")?.text())
}

fn stanza_id(message: &Element) -> Option<String> {
    message.get_child("stanza-id", "urn:xmpp:sid:0")?.attr("id").map(str::to_owned)
}

fn h_of(element: &Element) -> Option<u32> {
    if element.is("a", SM) { element.attr("h")?.parse().ok() } else { None }
}

/// Body and archive id of every message in an archive, oldest first, from pages of 100.
async fn archive(client: &mut testkit::Client) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|(_, id)| format!("<after>{id}</after>")).unwrap_or_default();
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{after}</set>");
        client.iq(&format!("<iq type='set'><query xmlns='urn:xmpp:mam:2'>{set}</query></iq>")).await?;
        let page = client.arrived().await?;
        let results = page.iter().filter_map(|message| message.get_child("result", "urn:xmpp:mam:2"));
        let before = all.len();
        for result in results {
            let message = result
                .get_child("forwarded", "urn:xmpp:forward:0")
                .and_then(|forwarded| forwarded.get_child("message", "jabber:client"));
            let body = message.and_then(text).context("an archived message without a body")?;
            all.push((body, result.attr("id").context("a result without an id")?.to_owned()));
        }
        if all.len() == before {
            return Ok(all);
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_crash_arrives_once_in_order_with_one_id() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.add_user("bob", "bob").await?;
    let mut expected_archive: Vec<(String, String)> = Vec::new();
    // Early, in the middle, and late: in each round the kill comes after another acknowledgement.
    for (round, acks_before_kill) in [1, 60, 150].into_iter().enumerate() {
        let mut alice = server.alice().await?;
        alice.enable_sm().await?;
        let mut pipelined = String::new();
        for number in 0..MESSAGES {
            let body = format!("round {round} number {number}");
            pipelined.push_str(&format!("<message to='bob@localhost' type='chat'><body>{body}</body></message>"));
            pipelined.push_str(&format!("<r xmlns='{SM}'/>"));
        }
        alice.send(&pipelined).await?;
        let mut acknowledged = 0;
        while acknowledged < acks_before_kill {
            acknowledged = h_of(&alice.recv_any().await?).unwrap_or(acknowledged);
        }
        server.kill()?;
        // What the kernel still holds was said by the server, and binds it too.
        acknowledged = alice.ended().await?.iter().filter_map(h_of).fold(acknowledged, u32::max);
        server.start_again().await?;

        let mut bob = server.bob().await?;
        let arrived = bob.arrived().await?;
        let messages: Vec<(String, String)> = arrived
            .iter()
            .filter_map(|message| Some((text(message)?, message)))
            .map(|(body, message)| Ok((body, stanza_id(message).context("a message without a stanza-id")?)))
            .collect::<Result<_>>()?;
        let count = u32::try_from(messages.len())?;
        ensure!(count >= acknowledged, "{acknowledged} were acknowledged, {count} arrived");
        for (number, (body, _)) in messages.iter().enumerate() {
            ensure!(*body == format!("round {round} number {number}"), "in order and once: {body} at {number}");
        }
        expected_archive.extend(messages);
        assert_eq!(archive(&mut bob).await?, expected_archive, "the archive has the same, under the same ids");
        bob.round_trip().await?;
        bob.close().await?;
        // Nothing is delivered twice.
        let mut bob = server.bob().await?;
        bob.expect_nothing().await?;
        bob.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_message_on_the_wire_during_a_crash_is_delivered_again_under_the_same_id() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    bob.enable_sm().await?;
    alice.say(bob.bare(), "did you get this?").await?;
    let first = bob.message().await?;
    // Bob has it but his acknowledgement never left: the server cannot know.
    server.kill()?;
    server.start_again().await?;
    let mut bob = server.bob().await?;
    let second = bob.message().await?;
    assert_eq!(text(&first), text(&second));
    assert_eq!(stanza_id(&first), stanza_id(&second), "so that Bob's client shows it once");
    bob.expect_nothing().await
}

#[tokio::test]
async fn a_stop_ends_every_stream_with_the_reason_and_exits_with_0() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut online = stage.server.online("bob").await?;
    let mut with_sm = stage.server.online("carol").await?;
    with_sm.enable_sm().await?;
    let mut bound = stage.server.connected("dave").await?;
    let hibernating = {
        let mut erin = stage.server.online("erin").await?;
        erin.enable_sm().await?;
        erin.cut()
    };
    stage.neighbour.say("dave@localhost", "before the end").await?;
    stage.neighbour.round_trip().await?;
    stage.server.terminate().await?;
    for client in [&mut stage.neighbour, &mut online, &mut with_sm, &mut bound] {
        assert_eq!(last_condition(&client.ended().await?)?, "system-shutdown", "{}", client.jid());
    }
    stage.server.start_again().await?;
    // Sessions end with the process; messages do not.
    let refused = hibernating.resume().await.err().context("resumed into nothing")?;
    ensure!(refused.to_string().contains("item-not-found"), "{refused}");
    let mut dave = stage.server.online("dave").await?;
    assert_eq!(text(&dave.message().await?).as_deref(), Some("before the end"));
    Ok(())
}
