//! A person's rights: all that is kept of them, readable; and what was removed when they go.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use anyhow::Result;
use testkit::TestServer;
use zip::ZipArchive;

fn unpack(path: &std::path::Path) -> Result<BTreeMap<String, String>> {
    let mut zip = ZipArchive::new(File::open(path)?)?;
    let mut files = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        files.insert(file.name()?.into_owned(), text);
    }
    Ok(files)
}

#[tokio::test]
async fn a_person_gets_all_their_data_and_then_is_forgotten() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    alice.befriend(&mut bob).await?;
    alice.iq("<iq type='set'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>").await?;
    alice.iq("<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/nick'><item id='current'><nick xmlns='http://jabber.org/protocol/nick'>Ally</nick></item></publish></pubsub></iq>").await?;
    alice.say("bob@localhost", "first\nsecond").await?;
    bob.message().await?;
    bob.say("alice@localhost", "reply").await?;
    alice.message().await?;

    let file = server.dir().join("alice.zip");
    server.cli(&["user", "export", "alice", "--zip", &file.to_string_lossy()], "").await?.success()?;
    let files = unpack(&file)?;
    let text = |name: &str| files.get(name).map(String::as_str).unwrap_or_default();
    assert!(text("README.txt").contains("alice@localhost"), "{:?}", files.keys());
    assert!(text("profile/vcard.json").contains("Alice") && text("profile/vcard.xml").contains("<FN>Alice</FN>"));
    assert!(text("profile/account.json").contains("\"address\": \"alice@localhost\""));
    assert!(text("contacts.json").contains("bob@localhost"));
    assert!(text("messages/bob@localhost.txt").contains("  me: first\n    second\n"));
    assert!(text("messages/bob@localhost.txt").contains("  bob@localhost: reply\n"));
    let lines: Vec<serde_json::Value> =
        text("messages/bob@localhost.jsonl").lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(
        lines.iter().map(|line| line["text"].as_str()).collect::<Vec<_>>(),
        [Some("first\nsecond"), Some("reply")]
    );
    for name in ["profile/published.json", "devices.json", "settings.json", "contacts.json", "profile/account.json"] {
        serde_json::from_str::<serde_json::Value>(text(name))?;
    }

    assert!(text("profile/published.json").contains("Ally"));

    let deleted = server.cli(&["user", "delete", "alice", "--json"], "").await?.success()?;
    let report: serde_json::Value = serde_json::from_str(&deleted.stdout)?;
    assert_eq!(report["deleted"], "alice@localhost");
    assert_eq!(
        (&report["removed"]["messages"], &report["removed"]["contacts"], &report["removed"]["vcards"]),
        (&2.into(), &1.into(), &1.into())
    );
    let deleted = server.cli(&["user", "delete", "bob"], "").await?.success()?;
    assert!(deleted.stdout.contains("deleted bob@localhost; removed with it: 2 messages"), "{}", deleted.stdout);
    Ok(())
}
