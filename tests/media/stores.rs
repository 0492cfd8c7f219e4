//! Media in an S3 store: what it holds is ciphertext, and what is to go goes.

use anyhow::{Context, Result, ensure};
use blob::{Credentials, Store};
use services::Garage;
use testkit::{TestServer, TestServerBuilder};

use crate::stage::{Stage, files_in, pattern, until};

fn on(garage: &Garage, prefix: &str) -> TestServerBuilder {
    let builder = TestServer::builder().set("media.url", &format!("\"{}\"", garage.url(prefix)));
    garage.environment().into_iter().fold(builder, |builder, (name, value)| builder.variable(&name, &value))
}

fn opened(garage: &Garage, prefix: &str) -> Result<Store> {
    let (access_key_id, secret_access_key) = (garage.access_key_id.clone(), garage.secret_access_key.clone());
    let credentials = Credentials { access_key_id, secret_access_key };
    Ok(Store::open(&garage.url(prefix), std::path::Path::new("/"), Some(credentials))?)
}

async fn objects(store: &Store) -> Result<usize> {
    let (mut names, mut count) = (store.list(None), 0);
    while names.next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Text that stands out.
fn telling(len: usize) -> Vec<u8> {
    b"meet me at midnight. ".iter().copied().cycle().take(len).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garage_gives_back_what_it_was_given_and_reads_none_of_it() -> Result<()> {
    let garage = Garage::start()?;
    let mut stage = Stage::with(on(&garage, "media").set("limits.media_purge_secs", "1")).await?;
    let check = stage.server.cli(&["check"], "").await?;
    ensure!(check.stdout.contains("can be used"), "{}", check.stdout);
    let content = telling(10_000_000);
    let slot = stage.file(&content).await?;
    ensure!(stage.get(&slot).await?.bytes().await? == content);
    let range = stage.http.get(&slot.get).header("range", "bytes=4194000-4195000").send().await?;
    ensure!(range.bytes().await? == content[4_194_000..=4_195_000], "over the end of a part");
    let store = opened(&garage, "media")?;
    assert_eq!(objects(&store).await?, 3);
    for file in files_in(&garage.folder()) {
        // Files of a store that runs come and go.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        ensure!(memchr::memmem::find(&bytes, b"at midnight").is_none(), "{} has plaintext", file.display());
    }
    stage.server.cli(&["user", "delete", "alice"], "").await?.success()?;
    let begun = std::time::Instant::now();
    while objects(&store).await? > 0 {
        ensure!(begun.elapsed() < testkit::DEADLINE, "media of an account that is gone stay");
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_clear_refusal() -> Result<()> {
    let gone = {
        let garage = Garage::start()?;
        on(&garage, "media")
    };
    let mut stage = Stage::with(gone).await?;
    let slot = stage.slot(7).await?;
    let begun = std::time::Instant::now();
    assert_eq!(stage.put(&slot, "content").await?, 503);
    ensure!(begun.elapsed() < std::time::Duration::from_secs(60), "it took {:?}", begun.elapsed());
    assert_eq!(stage.get(&slot).await?.status(), 404);
    Ok(())
}

#[tokio::test]
async fn the_folder_holds_ciphertext_and_names_that_say_nothing() -> Result<()> {
    let mut stage = Stage::new().await?;
    let slot = stage.file(&telling(200_000)).await?;
    let parts = stage.parts();
    assert_eq!(parts.len(), 1);
    let stored = std::fs::read(&parts[0])?;
    assert_eq!(stored.len(), 200_000 + 4 * 16);
    ensure!(memchr::memmem::find(&stored, b"at midnight").is_none(), "plaintext");
    let token = slot.get.split('/').nth(4).context("no token")?;
    ensure!(!parts[0].to_string_lossy().contains(token), "the name tells the address");
    Ok(())
}

#[tokio::test]
async fn a_part_that_was_changed_or_cut_off_is_not_served() -> Result<()> {
    let mut stage = Stage::new().await?;
    let slot = stage.file(&pattern(200_000)).await?;
    let part = stage.parts().pop().context("no part")?;
    let good = std::fs::read(&part)?;
    let mut changed = good.clone();
    changed[100_000] ^= 1;
    std::fs::write(&part, &changed)?;
    let head = stage.http.get(&slot.get).header("range", "bytes=0-9").send().await?;
    ensure!(head.bytes().await? == pattern(10), "what is before it is good");
    let changed = async { anyhow::Ok(stage.get(&slot).await?.bytes().await?) };
    ensure!(changed.await.is_err(), "a changed segment was served");
    std::fs::write(&part, &good[..good.len() - 1])?;
    assert_eq!(stage.get(&slot).await?.status(), 404);
    std::fs::write(&part, &good)?;
    ensure!(stage.get(&slot).await?.bytes().await? == pattern(200_000));
    Ok(())
}

#[tokio::test]
async fn orphans_are_found_and_removed_and_another_store_is_not_emptied() -> Result<()> {
    let mut stage =
        Stage::with(TestServer::builder().set("limits.media_sweep_secs", "1").set("limits.media_purge_secs", "1"))
            .await?;
    let (kept, lost) = (stage.file(b"kept").await?, stage.file(b"lost").await?);
    let folder = stage.folder();
    let parts = stage.parts();
    let of = |content: &[u8]| {
        parts.iter().find(|part| std::fs::read(part).is_ok_and(|file| file.len() == content.len() + 16))
    };
    ensure!(of(b"kept").is_some());
    // A part of long ago that no row names, and one of now.
    let place = |id: &str| folder.join(format!("~{}", fan(id))).join(id);
    let old = place("00000000000000000000000000000001.00000001000000000000000000000001");
    let young = place(&format!("00000000000000000000000000000001.{:08x}000000000000000000000001", now_secs()));
    for part in [&old, &young] {
        std::fs::create_dir_all(part.parent().context("no folder")?)?;
        std::fs::write(part, "orphan")?;
    }
    until(|| !old.exists()).await?;
    ensure!(young.exists(), "it may be on its way");
    // One of two files is gone from the store: so is its address.
    let of_lost = last_written(&parts)?;
    std::fs::remove_file(of_lost)?;
    assert_eq!(stage.get(&lost).await?.status(), 404);
    until(|| stage.server.log().contains("uploads: 1")).await?;
    ensure!(stage.get(&kept).await?.bytes().await? == "kept");
    // All of them gone: that is another store, and nothing is forgotten.
    let aside = folder.with_extension("aside");
    std::fs::rename(&folder, &aside)?;
    until(|| stage.server.log().contains("most media are not in the store")).await?;
    std::fs::remove_dir_all(&folder).or_else(|error| if folder.exists() { Err(error) } else { Ok(()) })?;
    std::fs::rename(&aside, &folder)?;
    ensure!(stage.get(&kept).await?.bytes().await? == "kept", "it was forgotten");
    Ok(())
}

fn last_written(parts: &[std::path::PathBuf]) -> Result<&std::path::PathBuf> {
    let times = parts.iter().map(|part| Ok((std::fs::metadata(part)?.modified()?, part)));
    let times = times.collect::<Result<Vec<_>>>()?;
    times.into_iter().max().map(|(_, part)| part).context("no part")
}

/// As the folder fans names out.
fn fan(name: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    format!("{:02x}", hash.as_ref().first().copied().unwrap_or(0))
}

fn now_secs() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
