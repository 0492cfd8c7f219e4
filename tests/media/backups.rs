//! Backups have the media, each once, and give them back.

use anyhow::{Result, ensure};
use testkit::TestServer;

use crate::stage::{Stage, files_in, pattern};

#[tokio::test]
async fn media_are_backed_up_once_and_restored() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(500_000);
    let first = stage.file(&content).await?;
    let place = stage.server.dir().join("backups");
    let to = place.to_string_lossy().into_owned();
    stage.server.cli(&["backup", "create", "--to", &to], "").await?.success()?;
    let second = stage.file(&pattern(70_000)).await?;
    let made = stage.server.cli(&["backup", "create", "--to", &to], "").await?.success()?.stdout;
    ensure!(made.contains("2 media"), "{made}");
    assert_eq!(files_in(&place.join("media")).len(), 2, "the first one was there already");
    stage.server.terminate().await?;
    std::fs::remove_dir_all(stage.folder())?;
    std::fs::remove_file(stage.server.dir().join("data/whimbrel.db"))?;
    stage.server.cli(&["backup", "restore", "--from", &to], "").await?.success()?;
    stage.server.start_again().await?;
    ensure!(stage.get(&first).await?.bytes().await? == content);
    ensure!(stage.get(&second).await?.bytes().await? == pattern(70_000));
    Ok(())
}

#[tokio::test]
async fn files_past_their_retention_go_with_their_parts() -> Result<()> {
    let builder = TestServer::builder().set("media.retention", "\"1s\"").set("limits.media_purge_secs", "1");
    let mut stage = Stage::with(builder).await?;
    let slot = stage.file(b"soon forgotten").await?;
    stage.until_parts(0).await?;
    assert_eq!(stage.get(&slot).await?.status(), 404);
    Ok(())
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_a_problem_that_check_names() -> Result<()> {
    let mut server = TestServer::start().await?;
    for (url, complaint) in [
        ("ftp://x", "unknown scheme"),
        ("s3://bucket?region=a", "AWS_ACCESS_KEY_ID"),
        ("file:whimbrel.db", "is a file, not a folder"),
    ] {
        server.set("media.url", &format!("\"{url}\""));
        let said = server.cli(&["check"], "").await?;
        let line = said.stdout.lines().find(|line| line.starts_with("problem") && line.contains("media.url"));
        ensure!(said.code == Some(1) && line.is_some_and(|line| line.contains(complaint)), "{url}: {}", said.stdout);
    }
    Ok(())
}
