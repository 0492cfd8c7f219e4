//! From ejabberd: accounts that were used there, exported with its own tool.

use anyhow::{Context, Result};
use testkit::TestServer;
use testkit::peers::Ejabberd;

use crate::view::{befriended, body, log_in, moved};

async fn an_account_moves_from_an_ejabberd_that_keeps(passwords: Option<&str>) -> Result<()> {
    let old = Ejabberd::start(passwords).await?;
    let alice = old.register("alice", "alice's secret").await?;
    let bob = old.register("bob", "bob's secret").await?;
    let (mut alice, mut bob) = befriended(alice, bob).await?;
    alice.iq("<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='spam@localhost'/></block></iq>").await?;
    let mut carol = old.register("carol", "carol").await?;
    carol.send("<presence to='alice@localhost' type='subscribe'/>").await?;
    carol.round_trip().await?;
    alice.arrived().await?;
    alice.close().await?;
    for number in 0..3 {
        bob.say("alice@localhost", &format!("number {number}")).await?;
    }
    bob.round_trip().await?;
    let file = old.export().await?;

    let new = TestServer::start().await?;
    let done = new.cli(&["user", "import", &file.to_string_lossy()], "").await?.success()?;
    assert!(done.stdout.contains("imported 3 accounts with 3 messages"), "{}", done.stdout);
    let mut alice = log_in(&new, "alice", "alice's secret").await?;
    let seen = moved(&mut alice).await?;
    assert_eq!(seen.blocked, ["spam@localhost"]);
    alice.come_online().await?;
    for number in 0..3 {
        let message = alice.message().await?;
        assert_eq!(body(&message), format!("number {number}"));
        let delays: Vec<_> = message.children().filter(|child| child.name() == "delay").collect();
        assert_eq!(delays.len(), 1, "{message:?}");
    }
    let asks = |stanza: &minidom::Element| stanza.attr("type") == Some("subscribe");
    let request = alice.until(asks).await.context("Carol's request")?;
    assert_eq!(request.attr("from"), Some("carol@localhost"));
    log_in(&new, "bob", "bob's secret").await?;
    assert!(log_in(&new, "bob", "another secret").await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_account_moves_with_a_password_in_plain_text() -> Result<()> {
    an_account_moves_from_an_ejabberd_that_keeps(None).await
}

#[tokio::test]
async fn an_account_moves_with_scram_keys_of_either_hash() -> Result<()> {
    an_account_moves_from_an_ejabberd_that_keeps(Some("sha")).await?;
    an_account_moves_from_an_ejabberd_that_keeps(Some("sha256")).await
}
