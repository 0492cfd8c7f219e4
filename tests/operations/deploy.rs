//! `deploy/`: what it names is there, and the tools that it is for accept it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use services::program;
use testkit::TestServer;

use crate::{metrics_of, page};

fn deploy() -> PathBuf {
    testkit::workspace().join("deploy")
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("whimbrel_") || word.starts_with("process_"));
    // A histogram has three names.
    ours.map(|word| ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word))
        .map(str::to_owned)
        .collect()
}

/// Every expression of the dashboard's panels.
fn expressions(panel: &Value, found: &mut Vec<String>) {
    match panel {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_metric_of_dashboard_and_alerts_exists() -> Result<()> {
    let server = TestServer::builder().set("metrics.listen", "\"127.0.0.1:0\"").start().await?;
    page(server.address("http")?, "/healthz").await?;
    let text = metrics_of(&server).await?;
    let there: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let dashboard: Value = serde_json::from_slice(&std::fs::read(deploy().join("grafana/whimbrel.json"))?)?;
    let mut shown = Vec::new();
    expressions(&dashboard, &mut shown);
    ensure!(shown.len() > 30, "the dashboard has {} expressions", shown.len());
    let alerts = std::fs::read_to_string(deploy().join("prometheus/alerts.yml"))?;
    for name in named(&shown.join("\n")).iter().chain(&named(&alerts)) {
        ensure!(there.contains(name.as_str()), "{name} is not among {there:?}");
    }
    let guide = std::fs::read_to_string(testkit::workspace().join("docs/operations.md"))?;
    for name in there {
        ensure!(guide.contains(&format!("`{name}`")), "docs/operations.md does not explain {name}");
    }
    Ok(())
}

#[test]
fn promtool_accepts_the_alerts_and_they_come_when_they_should() -> Result<()> {
    let folder = deploy().join("prometheus");
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        runs(Command::new(program("promtool", "prometheus")?).args(args).current_dir(&folder))?;
    }
    Ok(())
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() -> Result<()> {
    let analyze = program("systemd-analyze", "systemd")?;
    let unit = std::fs::read_to_string(deploy().join("systemd/whimbreld.service"))?;
    // The check wants the program to be there.
    let unit = unit.replace("/usr/local/bin/whimbreld", "/bin/true");
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("whimbreld.service");
    std::fs::write(&file, unit)?;
    let verified = runs(Command::new(&analyze).arg("verify").arg(&file))?;
    ensure!(verified.trim().is_empty(), "{verified}");
    // 10 is unconfined, 0 is walled in; what is worse than 2.0 fails.
    runs(Command::new(&analyze).args(["security", "--no-pager", "--offline=true", "--threshold=20"]).arg(&file))?;
    Ok(())
}

/// What it printed, if it succeeded.
fn runs(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said.into_owned())
}

#[test]
fn the_container_runs_what_the_workspace_builds() -> Result<()> {
    let text = std::fs::read_to_string(deploy().join("Containerfile"))?;
    ensure!(text.contains("--package server --bin whimbreld"), "{text}");
    ensure!(Path::new(&testkit::workspace().join(".containerignore")).exists(), "target/ would be copied");
    Ok(())
}
