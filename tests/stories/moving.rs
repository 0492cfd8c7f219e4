//! `whimbreld migrate --to`: into another database while the server runs, and a short stop at the end.

use anyhow::{Result, ensure};
use services::Kind;
use testkit::TestServer;
use testkit::faults::archived_of;

/// The whole story, with the new database at `url`; the server that runs on it in the end.
async fn moved_to(url: &str) -> Result<TestServer> {
    let mut server = TestServer::start().await?;
    let (mut alice, mut bob) = (server.alice().await?, server.bob().await?);
    alice.befriend(&mut bob).await?;
    for number in 0..300 {
        alice.say("bob@localhost", &format!("{number}")).await?;
    }
    alice.round_trip().await?;
    let migrate = ["migrate", "--to", url];
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
    server.set("storage.url", &format!("{url:?}"));
    server.start_again().await?;
    everything_is_there(&server).await?;
    // New accounts get ids that nobody had, the deleted one's included: nothing of hers comes to them.
    server.add_user("dave", "dave").await?;
    ensure!(archived_of(server.login("dave", "dave")?).await?.is_empty(), "a new account has an archive");
    let mut carol = server.online("carol").await?;
    carol.say("bob@localhost", "from a new account").await?;
    carol.round_trip().await?;
    Ok(server)
}

async fn everything_is_there(server: &TestServer) -> Result<()> {
    for localpart in ["alice", "bob"] {
        let archive = archived_of(server.login(localpart, localpart)?).await?;
        let bodies: Vec<String> = archive.into_iter().map(|message| message.body).take(301).collect();
        ensure!(bodies == (0..=300).map(|number| number.to_string()).collect::<Vec<_>>(), "{localpart}: {bodies:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_another_database_with_a_short_stop() -> Result<()> {
    moved_to("sqlite:new.db").await.map(drop)
}

/// To a database server, and by a backup of it back to one file.
async fn moved_there_and_back(kind: Kind) -> Result<()> {
    let database = tokio::task::spawn_blocking(move || kind.shared()?.database()).await??;
    let mut server = moved_to(&database.url()).await?;
    let place = server.dir().join("backups");
    let place = place.to_string_lossy();
    server.cli(&["backup", "create", "--to", &place], "").await?.success()?;
    server.terminate().await?;
    server.set("storage.url", "\"sqlite:back.db\"");
    let restored = server.cli(&["backup", "restore", "--from", &place], "").await?.success()?;
    ensure!(restored.stdout.contains("every hash as in its manifest"), "{restored:?}");
    server.start_again().await?;
    everything_is_there(&server).await?;
    let listed = server.cli(&["user", "list"], "").await?.success()?;
    ensure!(listed.stdout.lines().count() == 4, "{}", listed.stdout);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_postgresql_and_back_by_a_backup() -> Result<()> {
    moved_there_and_back(Kind::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_moves_to_mariadb_and_back_by_a_backup() -> Result<()> {
    moved_there_and_back(Kind::Mariadb).await
}

#[tokio::test]
async fn a_database_of_somebody_else_is_not_overwritten() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.add_user("alice", "alice").await?;
    server.terminate().await?;
    server.set("storage.url", "sqlite:other.db");
    server.add_user("mallory", "mallory").await?;
    let refused = server.cli(&["migrate", "--to", "sqlite:whimbrel.db"], "").await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("another deployment"), "{refused:?}");
    let same = server.cli(&["migrate", "--to", "sqlite:other.db"], "").await?;
    ensure!(same.code == Some(1) && same.stderr.contains("is the database in use"), "{same:?}");
    Ok(())
}
