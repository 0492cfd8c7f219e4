//! What sealing at rest costs: measured by an example of the storage crate, the only build in which it can be off.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine::Workplace;
use crate::table::rounded;

/// The example, which is built beside this program.
pub(super) fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.parent().context("no folder")?.join("examples/sealing");
    if !program.exists() {
        bail!("{} is missing: run cargo build --release --package storage --example sealing", program.display());
    }
    Ok(program)
}

/// Its own table, in Markdown.
pub(super) fn table(program: &Path) -> Result<String> {
    let place = Workplace::in_memory()?;
    let output = Command::new(program).arg(place.path()).output().context("cannot run it")?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    let mut table = String::from("| storage on SQLite, without the server | sealed | not sealed | sealing |\n");
    table.push_str("| --- | ---: | ---: | ---: |\n");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (what, figures) = line.split_once(':').context("a strange line")?;
        let figures: Vec<f64> = figures.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [sealed, plain] = figures.as_slice() else { bail!("a strange line: {line}") };
        let cost = sealed - plain;
        table.push_str(&format!(
            "| {what} | {} µs | {} µs | **{} µs** |\n",
            rounded(*sealed),
            rounded(*plain),
            rounded(cost)
        ));
    }
    Ok(table)
}
