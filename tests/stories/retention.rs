//! How long messages are kept (`[archive] retention`; DESIGN.md, "The mailbox").

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::{Client, TestServer};

const MAM: &str = "urn:xmpp:mam:2";

/// How many messages the client's archive holds.
async fn archived(client: &mut Client) -> Result<usize> {
    client.arrived().await?;
    client.send(&format!("<iq type='set' id='page'><query xmlns='{MAM}'/></iq>")).await?;
    let results = Cell::new(0);
    client
        .until(|stanza| {
            let is_result = stanza.children().any(|child| child.is("result", MAM));
            results.set(results.get() + usize::from(is_result));
            stanza.attr("id") == Some("page")
        })
        .await?;
    Ok(results.get())
}

#[tokio::test]
async fn until_delivered_keeps_nothing_once_a_device_has_it() -> Result<()> {
    let server = TestServer::builder().set("archive.retention", "\"until-delivered\"").start().await?;
    let mut alice = server.alice().await?;
    server.bob().await?.close().await?;
    alice.say("bob@localhost", "for your eyes only").await?;
    alice.round_trip().await?;
    let mut bob = server.online("bob").await?;
    let message = bob.message().await?;
    ensure!(message.children().any(|child| child.name() == "body"), "no body");
    ensure!(archived(&mut bob).await? == 0 && archived(&mut alice).await? == 0, "something was kept");
    bob.close().await?;
    let mut again = server.online("bob").await?;
    again.expect_nothing().await?;
    ensure!(archived(&mut again).await? == 0, "something was kept");
    Ok(())
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_purged() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    alice.say("bob@localhost", "soon gone").await?;
    bob.message().await?;
    ensure!(archived(&mut bob).await? == 1 && archived(&mut alice).await? == 1, "not archived");
    bob.close().await?;
    alice.close().await?;
    server.set("archive.retention", "\"1s\"");
    // A purge runs at every start.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        server.restart().await?;
        let left =
            archived(&mut server.online("alice").await?).await? + archived(&mut server.online("bob").await?).await?;
        if left == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{left} messages are still there");
    }
}
