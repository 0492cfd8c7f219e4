//! A database that cannot grow (`limits.database_bytes_max`, which stands for a full disk): nothing is acknowledged
//! that is not stored, and everything that needs no room goes on.

use anyhow::{Context, Result, bail, ensure};
use minidom::Element;
use testkit::{Client, TestServer};

use crate::stage::{Stage, last_condition, stanza_error};

/// Two of these fill any remainder that the others left.
const BODY_BYTES: usize = 20_000;
/// More than fit into the database.
const MESSAGES_MAX: u32 = 200;

async fn small_stage() -> Result<Stage> {
    Stage::with(TestServer::builder().set("limits.database_bytes_max", "1000000")).await
}

fn full() -> (String, String) {
    (String::from("wait"), String::from("resource-constraint"))
}

/// Sends messages to Bob, who is away, until one comes back with an error; how many did not.
async fn fill(client: &mut Client) -> Result<(u32, Element)> {
    let body = "x".repeat(BODY_BYTES);
    for stored in 0..MESSAGES_MAX {
        client.say("bob@localhost", &body).await?;
        if let Some(error) = client.arrived().await?.into_iter().next() {
            return Ok((stored, error));
        }
    }
    bail!("{MESSAGES_MAX} messages of {BODY_BYTES} bytes fit into the database")
}

async fn archived(client: &mut Client) -> Result<usize> {
    let reply = client.iq("<iq type='set'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>200</max></set></query></iq>").await?;
    ensure!(reply.attr("type") == Some("result"), "the archive cannot be read: {reply:?}");
    let results = client.arrived().await?;
    Ok(results.iter().filter(|message| message.get_child("result", "urn:xmpp:mam:2").is_some()).count())
}

#[tokio::test]
async fn without_stream_management_the_sender_is_told_and_the_stream_lives() -> Result<()> {
    let mut stage = small_stage().await?;
    stage.server.add_user("bob", "bob").await?;
    let mut mallory = stage.server.online("mallory").await?;
    let (stored, error) = fill(&mut mallory).await?;
    assert_eq!(stanza_error(&error)?, full());
    ensure!(error.attr("from") == Some("bob@localhost"), "{error:?}");
    // Again and again, on the same stream.
    for _ in 0..3 {
        mallory.say("bob@localhost", &"x".repeat(BODY_BYTES)).await?;
        assert_eq!(stanza_error(&mallory.recv().await?)?, full());
    }
    // What was not refused is all there, for both.
    assert_eq!(archived(&mut mallory).await?, usize::try_from(stored)?);
    let mut bob = stage.server.bob().await?;
    for _ in 0..stored {
        bob.message().await?;
    }
    bob.expect_nothing().await?;
    assert_eq!(archived(&mut bob).await?, usize::try_from(stored)?);
    // What needs no room works, on this stream and on the command line.
    mallory.say(stage.neighbour.jid(), "small ones may still fit; if not, the sender hears of it").await?;
    ensure!(stage.server.cli(&["user", "list"], "").await?.success()?.stdout.contains("bob@localhost"), "user list");
    stage.server.cli(&["user", "show", "bob"], "").await?.success()?;
    stage.goes_on().await
}

#[tokio::test]
async fn with_stream_management_it_is_not_acknowledged_and_can_be_sent_again() -> Result<()> {
    let mut stage = small_stage().await?;
    stage.server.add_user("bob", "bob").await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.arrived().await?;
    mallory.enable_sm().await?;
    let body = "x".repeat(BODY_BYTES);
    let mut acknowledged = 0;
    loop {
        ensure!(acknowledged < MESSAGES_MAX, "{MESSAGES_MAX} messages fit into the database");
        mallory.say("bob@localhost", &body).await?;
        match mallory.acked().await {
            Ok(h) => {
                ensure!(h == acknowledged + 1, "each is acknowledged on its own");
                acknowledged = h;
            }
            Err(_) => break,
        }
    }
    let read = mallory.ended().await?;
    assert_eq!(last_condition(&read)?, "resource-constraint");
    let refusal = read.iter().find(|element| element.name() == "message").context("the sender is told which one")?;
    assert_eq!(stanza_error(refusal)?, full());
    stage.goes_on().await?;

    // The session waits, and its count stands where it stood.
    let (mut mallory, resumed) = mallory.cut().resume().await?;
    assert_eq!(resumed.attr("h"), Some(&*acknowledged.to_string()));
    assert_eq!(archived(&mut mallory).await?, usize::try_from(acknowledged)?);
    // That query and its round trip were handled too.
    let before = mallory.acked().await?;

    // The operator makes room; the message that was never acknowledged is sent once more.
    let mut bob = stage.server.bob().await?;
    for _ in 0..acknowledged {
        bob.message().await?;
    }
    bob.expect_nothing().await?;
    stage.server.cli(&["user", "delete", "bob"], "").await?.success()?;
    mallory.say(stage.neighbour.bare(), &body).await?;
    assert_eq!(mallory.acked().await?, before + 1);
    stage.neighbour.message().await?;
    stage.goes_on().await
}
