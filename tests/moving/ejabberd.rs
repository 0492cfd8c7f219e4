//! From ejabberd: accounts that were used there, exported with its own tool.

use anyhow::{Context, Result};
use testkit::TestServer;
use testkit::peers::Ejabberd;

use crate::view::{body, log_in, view};

async fn an_account_moves_from_an_ejabberd_that_keeps(passwords: Option<&str>) -> Result<()> {
    let old = Ejabberd::start(passwords).await?;
    let mut alice = old.register("alice", "alice's secret").await?;
    let mut bob = old.register("bob", "bob's secret").await?;
    alice.come_online().await?;
    bob.come_online().await?;
    alice.befriend(&mut bob).await?;
    let set = "<iq type='set'><query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob'><group>Friends</group></item></query></iq>";
    alice.iq(set).await?;
    alice.iq("<iq type='set'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>").await?;
    alice.iq("<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='spam@localhost'/></block></iq>").await?;
    alice
        .iq("<iq type='set'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>milk</notes></query></iq>")
        .await?;
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
    let seen = view(&mut alice).await?;
    assert_eq!(seen.roster, ["bob@localhost Bob both Friends"]);
    assert_eq!(seen.name.as_deref(), Some("Alice"));
    assert_eq!(seen.blocked, ["spam@localhost"]);
    let private =
        alice.iq("<iq type='get'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query></iq>").await?;
    assert!(format!("{private:?}").contains("milk"));
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
