//! Connections that are lost in the middle of something longer (XEP-0198 §5, XEP-0160).

use anyhow::{Result, ensure};
use minidom::Element;
use testkit::{Client, TestServer};

/// More than a client may leave unacknowledged, so that the server waits in the middle.
const OFFLINE: usize = 500;
const MEANWHILE: usize = 5;

async fn number(client: &mut Client) -> Result<usize> {
    let message = client.message().await?;
    Ok(message.get_child("body", "jabber:client").map(Element::text).unwrap_or_default().parse()?)
}

#[tokio::test]
async fn offline_messages_whose_delivery_was_cut_come_before_what_was_sent_meanwhile() -> Result<()> {
    let server = TestServer::builder().set("limits.sm_queue_stanzas_max", "300").start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.connected("bob").await?;
    let to = bob.bare().to_owned();
    for sent in 0..OFFLINE {
        alice.say(&to, &sent.to_string()).await?;
    }
    alice.round_trip().await?;

    bob.enable_sm().await?;
    bob.send("<presence/>").await?;
    for expected in 0..50 {
        ensure!(number(&mut bob).await? == expected);
    }
    let bob = bob.cut();
    for sent in OFFLINE..OFFLINE + MEANWHILE {
        alice.say(&to, &sent.to_string()).await?;
    }
    alice.round_trip().await?;
    let (mut bob, _) = bob.resume().await?;
    for expected in 50..OFFLINE + MEANWHILE {
        let got = number(&mut bob).await?;
        ensure!(got == expected, "{got} instead of {expected}");
        if expected % 20 == 0 {
            bob.ack().await?;
        }
    }
    bob.ack().await?;
    ensure!(!bob.arrived().await?.iter().any(|stanza| stanza.name() == "message"), "more than was sent");
    Ok(())
}
