//! `whimbreld migrate --to`: into another database while the server runs, and a short stop at the end.

use anyhow::{Result, ensure};
use testkit::faults::archived_of;
use testkit::{Backend, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_sqlite_with_a_short_stop() -> Result<()> {
    moves_to(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_postgresql_with_a_short_stop() -> Result<()> {
    moves_to(Backend::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_mysql_with_a_short_stop() -> Result<()> {
    moves_to(Backend::Mysql).await
}

async fn moves_to(backend: Backend) -> Result<()> {
    let mut server = TestServer::start().await?;
    let new = server.empty_database(backend)?;
    let (mut alice, mut bob) = (server.alice().await?, server.bob().await?);
    alice.befriend(&mut bob).await?;
    for number in 0..300 {
        alice.say("bob@localhost", &format!("{number}")).await?;
    }
    alice.round_trip().await?;
    let migrate = ["migrate", "--to", &new];
    let live = server.cli(&migrate, "").await?.success()?;
    ensure!(live.stdout.contains("stop the server and run the same command again"), "{live:?}");

    // What happens between the two runs: new, changed, gone.
    alice.say("bob@localhost", "300").await?;
    alice.iq("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>").await?;
    server.add_user("carol", "carol").await?;
    server.cli(&["user", "delete", "carol"], "").await?.success()?;
    alice.round_trip().await?;
    server.terminate().await?;

    let last = server.cli(&migrate, "").await?.success()?;
    ensure!(last.stdout.contains("counts and hashes of all"), "{last:?}");
    let nothing_more = server.cli(&migrate, "").await?.success()?;
    ensure!(nothing_more.stdout.contains("copied 0 rows"), "{nothing_more:?}");
    server.set("storage.url", &format!("\"{new}\""));
    server.start_again().await?;
    for localpart in ["alice", "bob"] {
        let archive = archived_of(server.login(localpart, localpart)?).await?;
        let bodies: Vec<String> = archive.into_iter().map(|message| message.body).collect();
        ensure!(bodies == (0..=300).map(|number| number.to_string()).collect::<Vec<_>>(), "{localpart}: {bodies:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_of_somebody_else_is_not_overwritten() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.add_user("alice", "alice").await?;
    server.terminate().await?;
    let first = server.storage_url();
    server.set("storage.url", "sqlite:other.db");
    server.add_user("mallory", "mallory").await?;
    let refused = server.cli(&["migrate", "--to", &first], "").await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("another deployment"), "{refused:?}");
    let same = server.cli(&["migrate", "--to", "sqlite:other.db"], "").await?;
    ensure!(same.code == Some(1) && same.stderr.contains("is the database in use"), "{same:?}");
    Ok(())
}
