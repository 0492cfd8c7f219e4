//! What others wrote, on our media: slixmpp uploads, curl reads a range, tus-js-client resumes, a player seeks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::stage::{Slot, Stage, pattern, slot};

/// Longest time that one program may take.
const PROGRAM_DEADLINE: Duration = Duration::from_secs(90);

/// What a program prints.
async fn output(mut command: Command) -> Result<Vec<u8>> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let missing = || format!("cannot start {program}: run `make setup`");
    let output = tokio::time::timeout(PROGRAM_DEADLINE, running).await.context("it does not end")?;
    let output = output.with_context(missing)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    bail!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// What `tests/interop/setup.sh` makes.
fn installed(path: &str) -> Result<PathBuf> {
    let path = testkit::workspace().join(".cache/interop").join(path);
    if path.exists() { Ok(path) } else { bail!("{} is missing: run `make setup`", path.display()) }
}

fn here(file: &str) -> PathBuf {
    testkit::workspace().join("tests/media").join(file)
}

async fn curl(ca: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(ca).args(args);
    output(command).await
}

#[tokio::test]
async fn what_slixmpp_uploads_curl_reads_in_part() -> Result<()> {
    let stage = Stage::new().await?;
    let content = pattern(700_000);
    let file = stage.server.dir().join("cat.png");
    std::fs::write(&file, &content)?;
    let address = stage.server.address("c2s")?;
    let spec = json!({
        "jid": "alice@localhost", "password": "alice", "host": address.ip().to_string(), "port": address.port(),
        "ca": stage.server.ca(), "file": file,
    });
    let mut command = Command::new(installed("venv/bin/python")?);
    command.arg("-W").arg("ignore").arg(here("slixmpp_driver.py")).arg(spec.to_string());
    command.env("SSL_CERT_FILE", stage.server.ca());
    let url = String::from_utf8(output(command).await?)?;
    let url = url.trim();
    ensure!(url.ends_with("/cat.png"), "{url}");
    let ca = stage.server.ca();
    ensure!(curl(&ca, &["-r", "65000-131999", url]).await? == content[65_000..132_000], "curl -r");
    ensure!(curl(&ca, &["-r", "-10", url]).await? == content[content.len() - 10..], "the last ten");
    ensure!(curl(&ca, &["--http1.1", url]).await? == content, "all of it");
    Ok(())
}

async fn tus(stage: &Stage, file: &Path, slot: &Slot, percent: u32) -> Result<Value> {
    let spec = json!({ "url": slot.put, "file": file, "chunk": 200_000, "percent": percent });
    let mut command = Command::new("node");
    command.arg(here("tus_driver.mjs")).arg(spec.to_string());
    command.env("NODE_MODULES", installed("node/node_modules")?).env("NODE_EXTRA_CA_CERTS", stage.server.ca());
    Ok(serde_json::from_slice(&output(command).await?)?)
}

#[tokio::test]
async fn tus_js_client_resumes_at_sixty_percent_after_a_restart() -> Result<()> {
    let mut stage = Stage::new().await?;
    let content = pattern(5_000_000);
    let file = stage.server.dir().join("film.bin");
    std::fs::write(&file, &content)?;
    let slot = stage.slot(content.len()).await?;
    assert_eq!(tus(&stage, &file, &slot, 60).await?["sent"], 3_000_000);
    stage.server.restart().await?;
    let rest = tus(&stage, &file, &slot, 0).await?;
    ensure!(rest["first"].as_u64() >= Some(3_000_000), "it began again: {rest}");
    assert_eq!(rest["sent"], 5_000_000);
    ensure!(stage.get(&slot).await?.bytes().await? == content, "it is another file");
    Ok(())
}

#[tokio::test]
async fn a_player_seeks_in_a_film() -> Result<()> {
    let mut stage = Stage::new().await?;
    let file = stage.server.dir().join("film.mp4");
    let mut make = Command::new("ffmpeg");
    make.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=30:size=320x240:rate=25", "-g", "25"]);
    make.args(["-c:v", "mpeg4", "-b:v", "2M"]).arg(&file);
    output(make).await?;
    let film = std::fs::read(&file)?;
    let slot = slot(&mut stage.alice, "film.mp4", film.len(), "video/mp4").await?;
    let put = stage.http.put(&slot.put).header("content-type", "video/mp4").body(film);
    assert_eq!(put.send().await?.status(), 201);
    let path = slot.get.splitn(4, '/').nth(3).context("no path")?.to_owned();
    let frame = async |from: &str| {
        let mut read = Command::new("ffmpeg");
        read.args(["-v", "error", "-ss", "25", "-i", from, "-frames:v", "1"]);
        read.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
        output(read).await
    };
    let seen = frame(&stage.server.http_url(&format!("/{path}"))?).await?;
    assert_eq!(seen.len(), 320 * 240 * 3);
    ensure!(seen == frame(&file.to_string_lossy()).await?, "another picture");
    Ok(())
}
