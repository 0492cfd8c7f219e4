//! Clients that others wrote, driven against a running whimbreld. Each driver prints a line per
//! check; this file starts a server, runs the driver, and shows everything when a check fails.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use testkit::TestServer;
use tokio::process::Command;

/// Longest time that one driver may take for all its checks.
const DRIVER_DEADLINE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn slixmpp_passes_its_checks() -> Result<()> {
    python("slixmpp_driver.py").await
}

#[tokio::test]
async fn aioxmpp_passes_its_checks() -> Result<()> {
    python("aioxmpp_driver.py").await
}

#[tokio::test]
async fn xmpp_js_passes_its_checks() -> Result<()> {
    drive(node("xmppjs_driver.mjs")?).await
}

#[tokio::test]
async fn xmpp_js_passes_its_checks_over_websocket() -> Result<()> {
    let mut command = node("xmppjs_driver.mjs")?;
    command.env("XMPP_TRANSPORT", "websocket");
    drive(command).await
}

#[tokio::test]
async fn converse_js_chats_and_shows_pictures_over_websocket_and_bosh() -> Result<()> {
    found_in_path("chromium")?;
    drive(node("converse_driver.mjs")?).await
}

#[tokio::test]
async fn profanity_passes_its_checks() -> Result<()> {
    for program in ["profanity", "tmux"] {
        found_in_path(program)?;
    }
    python("profanity_driver.py").await
}

fn node(driver: &str) -> Result<Command> {
    let modules = installed(&cache().join("node/node_modules"))?;
    let mut command = Command::new("node");
    command.env("XMPP_MODULES", modules).arg(folder().join(driver));
    Ok(command)
}

async fn python(driver: &str) -> Result<()> {
    let mut command = Command::new(installed(&cache().join("venv/bin/python"))?);
    command.arg("-W").arg("ignore").arg(folder().join(driver));
    drive(command).await
}

/// Starts a server as an operator would run it (no plaintext), and the driver with what it must know.
async fn drive(mut command: Command) -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    let mut users = serde_json::Map::new();
    for (user, password) in [("alice", "alice's secret"), ("bob", "bob's secret")] {
        server.add_user(user, password).await?;
        users.insert(user.to_owned(), json!({ "jid": format!("{user}@{}", server.domain()), "password": password }));
    }
    let address = server.address("c2s")?;
    let spec = json!({
        "host": address.ip().to_string(),
        "port": address.port(),
        "domain": server.domain(),
        "ca": server.ca(),
        "users": users,
        "websocket": format!("wss://localhost:{}/ws", server.address("https")?.port()),
        "bosh": format!("https://localhost:{}/bosh", server.address("https")?.port()),
    });
    // Node trusts further certificates only when told at its start.
    command.env("NODE_EXTRA_CA_CERTS", server.ca());
    command.arg(spec.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let running = tokio::time::timeout(DRIVER_DEADLINE, command.output());
    let output = running.await.context("the driver does not end")?.context("cannot start the driver")?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    bail!("{}\n{text}\n{complaints}\nthe server's log:\n{}", output.status, server.log())
}

fn folder() -> PathBuf {
    testkit::workspace().join("tests/interop")
}

fn cache() -> PathBuf {
    testkit::workspace().join(".cache/interop")
}

/// A path that `tests/interop/setup.sh` makes.
fn installed(path: &Path) -> Result<PathBuf> {
    if path.exists() { Ok(path.to_owned()) } else { bail!("{} is missing: run `make setup`", path.display()) }
}

fn found_in_path(program: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    if found { Ok(()) } else { bail!("{program} is missing: run `make setup`") }
}
