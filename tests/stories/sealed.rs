//! Sealed at rest (ARCHITECTURE.md): what people did in two real clients does not stand in the server's files, and a
//! new master key comes while they talk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use testkit::{Client, TestServer};

const ALICE: &str = "alice-in-the-files";
const BOB: &str = "bob-in-the-files";
/// What they do leaves each of these in the server's memory of it.
const KNOWN: [&str; 12] = [
    ALICE,
    BOB,
    "salmon-coloured-nickname",
    "secret-society-group",
    "Alice-Pleasance-Liddell",
    "private-bookmark-text",
    "urn:known:private",
    "hello-while-you-are-here",
    "hello-while-you-are-away",
    "blocked-enemy@example.net",
    "gone-fishing-status",
    "archived-for-ever@example.net",
];

/// Every file below a folder.
fn contents(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(contents(&entry.path()).unwrap_or_default());
        } else if kind.is_file() {
            // Those of a database server come and go.
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            files.push((entry.path().display().to_string(), bytes));
        }
    }
    Ok(files)
}

fn ensure_nothing_known(server: &TestServer, when: &str) -> Result<()> {
    let mut files = Vec::new();
    for folder in server.stores() {
        files.extend(contents(&folder)?);
    }
    ensure!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 4096, "no database");
    for (name, bytes) in &files {
        for known in KNOWN {
            ensure!(memmem::find(bytes, known.as_bytes()).is_none(), "{known} stands in {name}, {when}");
        }
    }
    Ok(())
}

async fn fill(client: &mut Client) -> Result<()> {
    for iq in [
        format!(
            "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='{BOB}@localhost' \
             name='salmon-coloured-nickname'><group>secret-society-group</group></item></query></iq>"
        ),
        "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice-Pleasance-Liddell</FN></vCard></iq>".to_owned(),
        "<iq type='set' id='p'><query xmlns='jabber:iq:private'><x xmlns='urn:known:private'>private-bookmark-text</x>\
         </query></iq>"
            .to_owned(),
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='blocked-enemy@example.net'/></block></iq>"
            .to_owned(),
        "<iq type='set' id='m'><prefs xmlns='urn:xmpp:mam:2' default='always'><always><jid>\
         archived-for-ever@example.net</jid></always><never/></prefs></iq>"
            .to_owned(),
    ] {
        let answer = client.iq(&iq).await?;
        ensure!(answer.attr("type") == Some("result"), "{answer:?}");
    }
    Ok(())
}

/// The bodies in the client's archive.
async fn archived(client: &mut Client) -> Result<String> {
    client.arrived().await?;
    client.send("<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'/></iq>").await?;
    let seen = std::cell::RefCell::new(String::new());
    client
        .until(|stanza| {
            seen.borrow_mut().push_str(&String::from(stanza));
            stanza.attr("id") == Some("page")
        })
        .await?;
    Ok(seen.into_inner())
}

#[tokio::test]
async fn what_two_people_do_does_not_stand_in_the_files_of_the_server() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.online(ALICE).await?;
    let mut bob = server.online(BOB).await?;
    let bobs = format!("{BOB}@localhost");
    fill(&mut alice).await?;
    alice.befriend(&mut bob).await?;
    alice.say(&bobs, "hello-while-you-are-here").await?;
    bob.message().await?;
    bob.send("<presence type='unavailable'><status>gone-fishing-status</status></presence>").await?;
    bob.round_trip().await?;
    bob.close().await?;
    alice.arrived().await?;
    alice.say(&bobs, "hello-while-you-are-away").await?;
    alice.round_trip().await?;
    ensure_nothing_known(&server, "while it runs")?;

    alice.close().await?;
    server.restart().await?;
    ensure_nothing_known(&server, "after a restart")?;
    // It is all there.
    let mut bob = server.online(BOB).await?;
    ensure!(String::from(&bob.message().await?).contains("hello-while-you-are-away"), "not delivered");
    let archive = archived(&mut bob).await?;
    ensure!(archive.contains("hello-while-you-are-here"), "not in the archive: {archive}");
    let mut alice = server.online(ALICE).await?;
    let roster = String::from(&alice.iq("<iq type='get' id='q'><query xmlns='jabber:iq:roster'/></iq>").await?);
    ensure!(roster.contains("salmon-coloured-nickname") && roster.contains("secret-society-group"), "{roster}");
    let card = String::from(&alice.iq("<iq type='get' id='c'><vCard xmlns='vcard-temp'/></iq>").await?);
    ensure!(card.contains("Alice-Pleasance-Liddell"), "{card}");
    ensure_nothing_known(&server, "after they were read")
}

#[tokio::test]
async fn the_master_key_is_changed_while_people_talk() -> Result<()> {
    let mut server = TestServer::start().await?;
    let key = server.dir().join("master.key");
    let old = fs::read_to_string(&key)?;
    let (mut alice, mut bob) = (server.alice().await?, server.bob().await?);
    server.add_user("carol", "carol").await?;
    let rotated = server.cli(&["keys", "rotate"], "").await?.success()?;
    ensure!(rotated.stdout.contains("the keys of 3 accounts were wrapped again"), "{}", rotated.stdout);
    let new = fs::read_to_string(&key)?;
    ensure!(new != old && new.lines().count() == 1, "the file has the new key alone");

    alice.say("bob@localhost", "still here").await?;
    bob.message().await?;
    // An account that the server had not met yet, and one made under the new key.
    for name in ["carol", "dave"] {
        server.online(name).await?.close().await?;
    }
    alice.close().await?;
    bob.close().await?;
    server.restart().await?;
    ensure!(archived(&mut server.online("bob").await?).await?.contains("still here"), "not in the archive");

    server.terminate().await?;
    fs::write(&key, &old)?;
    let refused = server.cli(&["run"], "").await?;
    ensure!(refused.code == Some(1), "{refused:?}");
    let line = refused.stderr.lines().last().context("no line")?;
    ensure!(line.contains("the master key does not open this database"), "{line}");
    fs::write(&key, format!("{old}{new}"))?;
    server.start_again().await?;
    server.online("alice").await?.close().await
}
