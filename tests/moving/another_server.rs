//! From one whimbreld to another.

use anyhow::{Context, Result};
use testkit::TestServer;

use crate::view::{body, log_in, view};

/// Alice and Bob are friends and talk; Bob is away for the last words.
async fn lively_server() -> Result<TestServer> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    alice.befriend(&mut bob).await?;
    let set = "<iq type='set'><query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob &amp; Co'><group>Friends</group></item></query></iq>";
    alice.iq(set).await?;
    alice.iq("<iq type='set'><vCard xmlns='vcard-temp'><FN>Alice &lt;A&gt;</FN></vCard></iq>").await?;
    alice.iq("<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='spam.example'/></block></iq>").await?;
    alice
        .iq("<iq type='set'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>milk</notes></query></iq>")
        .await?;
    for number in 0..120 {
        alice.say("bob@localhost", &format!("number {number}")).await?;
        bob.message().await?;
        bob.say("alice@localhost", &format!("answer {number}")).await?;
    }
    alice.iq("<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:notes'><item id='a'><note xmlns='urn:notes'>tea</note></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>whitelist</value></field><field var='pubsub#max_items'><value>max</value></field></x></publish-options></pubsub></iq>").await?;
    bob.close().await?;
    for number in 0..3 {
        alice.say("bob@localhost", &format!("late {number}")).await?;
    }
    let hint = "<message to='bob@localhost' type='chat' id='t'><body>passing</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>";
    alice.send(hint).await?;
    alice.send("<presence to='carol@localhost' type='subscribe'/>").await?;
    alice.round_trip().await?;
    Ok(server)
}

fn output(server: &TestServer, name: &str) -> String {
    server.dir().join(name).to_string_lossy().into_owned()
}

#[tokio::test]
async fn an_account_is_the_same_on_the_server_it_moved_to() -> Result<()> {
    let old = lively_server().await?;
    let file = output(&old, "all.xml");
    old.cli(&["user", "export", "--all", "--output", &file], "").await?.success()?;
    let new = TestServer::start().await?;
    let done = new.cli(&["user", "import", &file], "").await?.success()?;
    assert!(done.stdout.contains("imported 2 accounts with 487 messages; 0 messages"), "{}", done.stdout);
    for name in ["alice", "bob"] {
        let before = view(&mut log_in(&old, name, name).await?).await?;
        let after = view(&mut log_in(&new, name, name).await?).await?;
        assert_eq!(before, after);
        assert!(before.archive.len() >= 243 && !before.roster.is_empty());
    }
    let mut alice = log_in(&new, "alice", "alice").await?;
    let private =
        alice.iq("<iq type='get'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query></iq>").await?;
    assert!(format!("{private:?}").contains("milk"));
    let notes =
        "<iq type='get'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:notes'/></pubsub></iq>";
    let (there, here) = (log_in(&old, "alice", "alice").await?.iq(notes).await?, alice.iq(notes).await?);
    assert_eq!(there.children().next(), here.children().next());
    assert!(format!("{here:?}").contains("tea"));
    let config = "<iq type='get'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:notes'/></pubsub></iq>";
    assert!(format!("{:?}", alice.iq(config).await?).contains("whitelist"));

    // What waited is delivered once, in order, with its id of before.
    let (mut there, mut here) = (log_in(&old, "bob", "bob").await?, log_in(&new, "bob", "bob").await?);
    there.come_online().await?;
    here.come_online().await?;
    for text in ["late 0", "late 1", "late 2", "passing"] {
        let (before, after) = (there.message().await?, here.message().await?);
        assert_eq!((body(&before), body(&after)), (text.to_owned(), text.to_owned()));
        let id = |message: &minidom::Element| {
            message.get_child("stanza-id", "urn:xmpp:sid:0").and_then(|id| id.attr("id")).map(str::to_owned)
        };
        assert_eq!(id(&before).context("no stanza-id")?, id(&after).context("no stanza-id")?);
    }
    here.arrived().await?;

    // Once more: nothing is there twice, and nothing is delivered again.
    let refused = new.cli(&["user", "import", &file], "").await?;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("refused: alice@localhost: it exists already: use --merge"), "{}", refused.stderr);
    let before = view(&mut log_in(&new, "bob", "bob").await?).await?;
    let again = new.cli(&["user", "import", "--merge", &file], "").await?;
    assert!(again.stdout.contains("imported 2 accounts with 0 messages"), "{}{}", again.stdout, again.stderr);
    let mut bob = log_in(&new, "bob", "bob").await?;
    assert_eq!(view(&mut bob).await?, before);
    bob.come_online().await?;
    let texts: Vec<String> =
        bob.arrived().await?.iter().filter(|stanza| stanza.name() == "message").map(body).collect();
    assert_eq!(texts, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_running_server_lets_go_of_what_it_remembers() -> Result<()> {
    let old = lively_server().await?;
    let file = output(&old, "alice.xml");
    old.cli(&["user", "export", "alice", "--output", &file], "").await?.success()?;
    let new = TestServer::start().await?;
    let mut alice = new.alice().await?;
    assert!(view(&mut alice).await?.roster.is_empty());
    new.cli(&["user", "import", "--merge", &file], "").await?.success()?;
    let last = alice.ended().await?;
    let error = last.iter().find(|element| element.name() == "error").context("no stream error")?;
    assert_eq!(error.children().next().map(|condition| condition.name()), Some("reset"));
    let after = view(&mut log_in(&new, "alice", "alice").await?).await?;
    assert_eq!(after.roster, ["bob@localhost Bob & Co both Friends", "carol@localhost - none "]);
    assert_eq!(after.blocked, ["spam.example"]);
    Ok(())
}

#[tokio::test]
async fn a_disabled_account_stays_so_where_it_moves() -> Result<()> {
    let old = TestServer::start().await?;
    old.add_user("alice", "secret").await?;
    old.cli(&["user", "disable", "alice"], "").await?.success()?;
    let exported = old.cli(&["user", "export", "alice"], "").await?.success()?;
    let file = output(&old, "alice.xml");
    std::fs::write(&file, exported.stdout)?;
    let new = TestServer::start().await?;
    new.cli(&["user", "import", &file], "").await?.success()?;
    assert!(new.cli(&["user", "show", "alice"], "").await?.stdout.contains("state      disabled"));
    new.cli(&["user", "enable", "alice"], "").await?.success()?;
    log_in(&new, "alice", "secret").await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_no_other_parser_reads_does_not_spoil_the_export() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("bob", "bob").await?;
    let mut alice = server.alice().await?;
    alice.say("bob@localhost", "before").await?;
    let odd = "<message to='bob@localhost' type='chat'><body>odd</body><\u{fdf0} xmlns='urn:odd'/></message>";
    alice.send(odd).await?;
    alice.say("bob@localhost", "after").await?;
    alice.round_trip().await?;
    let file = output(&server, "bob.xml");
    let exported = server.cli(&["user", "export", "bob", "--output", &file], "").await?;
    assert_eq!(exported.code, Some(1));
    assert!(exported.stderr.contains("left out of bob@localhost: the message "), "{}", exported.stderr);
    let new = TestServer::start().await?;
    new.cli(&["user", "import", &file], "").await?.success()?;
    let seen = view(&mut log_in(&new, "bob", "bob").await?).await?;
    let texts: Vec<&str> = seen.archive.iter().map(|(_, _, _, text)| text.as_str()).collect();
    assert_eq!(texts, ["before", "after"]);
    Ok(())
}
