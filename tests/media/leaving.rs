//! What of the media goes with an account, and what its owner is given.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::stage::{Stage, pattern, slot};

#[tokio::test]
async fn a_deleted_account_takes_its_media_along_and_says_how_many() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut bob = stage.server.bob().await?;
    let files = [stage.file(&pattern(100)).await?, stage.file(&pattern(70_000)).await?];
    let his = slot(&mut bob, "picture.png", 5, "image/png").await?;
    ensure!(stage.put(&his, "hello").await?.is_success());
    let report = stage.server.cli(&["user", "delete", "alice", "--json"], "").await?.success()?.stdout;
    let report: Value = serde_json::from_str(&report)?;
    ensure!(report.to_string().contains("\"uploads\":2"), "{report}");
    for file in &files {
        assert_eq!(stage.get(file).await?.status(), 404);
    }
    stage.until_parts(1).await?;
    ensure!(stage.get(&his).await?.bytes().await? == "hello");
    // Also while no server runs.
    stage.server.terminate().await?;
    stage.server.cli(&["user", "delete", "bob"], "").await?.success()?;
    ensure!(stage.parts().is_empty(), "{:?}", stage.parts());
    Ok(())
}

#[tokio::test]
async fn who_asks_for_their_data_gets_their_files() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(300_000);
    stage.file(&content).await?;
    stage.slot(5).await?;
    let file = stage.server.dir().join("alice.zip");
    let path = file.to_string_lossy();
    stage.server.cli(&["user", "export", "alice", "--zip", &path], "").await?.success()?;
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&file)?)?;
    let listed: Value = serde_json::from_reader(zip.by_name("media.json")?)?;
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "an open slot is no file");
    assert_eq!((&listed[0]["type"], &listed[0]["bytes"]), (&"image/png".into(), &300_000.into()));
    let name = listed[0]["file"].as_str().context("no file")?;
    assert_eq!(name, "media/00001-picture.png");
    let mut given = Vec::new();
    zip.by_name(name)?.read_to_end(&mut given)?;
    ensure!(given == content, "it is another file");
    Ok(())
}
