//! From Prosody: accounts that were used there, written as XEP-0227 by its migrator.
//!
//! Prosody 0.12 writes no offline messages there; those it has archived come with the archive.

use anyhow::Result;
use testkit::TestServer;
use testkit::peers::Prosody;

use crate::view::{archive, befriended, log_in, moved};

#[tokio::test]
async fn an_account_moves_with_its_password_contacts_and_archive() -> Result<()> {
    let old = Prosody::start().await?;
    let alice = old.register("alice", "alice's secret").await?;
    let bob = old.register("bob", "bob's secret").await?;
    let (mut alice, mut bob) = befriended(alice, bob).await?;
    for number in 0..10 {
        alice.say("bob@localhost", &format!("question {number}")).await?;
        bob.message().await?;
        bob.say("alice@localhost", &format!("answer {number}")).await?;
        alice.message().await?;
    }
    alice.close().await?;
    bob.say("alice@localhost", "while you were out").await?;
    bob.round_trip().await?;
    bob.close().await?;
    let exported = old.export().await?;
    assert_eq!(exported.files.len(), 2);

    let new = TestServer::start().await?;
    let files: Vec<String> = exported.files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let mut line = vec!["user", "import"];
    line.extend(files.iter().map(String::as_str));
    new.cli(&line, "").await?.success()?;
    let mut alice = log_in(&new, "alice", "alice's secret").await?;
    let seen = moved(&mut alice).await?;
    let mut expected: Vec<String> =
        (0..10).flat_map(|number| [format!("question {number}"), format!("answer {number}")]).collect();
    expected.push(String::from("while you were out"));
    let texts: Vec<String> = seen.archive.into_iter().map(|(_, _, _, text)| text).collect();
    assert_eq!(texts, expected);

    // A second time nothing comes twice.
    line.push("--merge");
    new.cli(&line, "").await?.success()?;
    let mut alice = log_in(&new, "alice", "alice's secret").await?;
    assert_eq!(archive(&mut alice).await?.len(), expected.len());
    log_in(&new, "bob", "bob's secret").await?;
    Ok(())
}
