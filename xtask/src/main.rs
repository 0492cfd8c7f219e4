//! Chores of this repository: `cargo xtask tidy`, `cargo xtask doap` and `cargo xtask budget`.

mod budget;
mod doap;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

const USAGE: &str = "usage:
  cargo xtask tidy             check the rules that no compiler checks
  cargo xtask tidy --ratchet   the same, and write the files that are too long to the ratchet
  cargo xtask budget           count instructions, fail where they are beyond xtask/budget.txt
  cargo xtask budget --write   count instructions, and write them to xtask/budget.txt
  cargo xtask doap             write doap.xml from the table of supported extensions
  cargo xtask doap --check     fail when doap.xml is not what that would write";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root()?;
    match arguments.as_slice() {
        ["tidy"] => tidy::check(&root),
        ["tidy", "--ratchet"] => tidy::write_ratchet(&root).and_then(|()| tidy::check(&root)),
        ["budget"] => budget::check(&root),
        ["budget", "--write"] => budget::write(&root),
        ["doap"] => doap::write(&root),
        ["doap", "--check"] => doap::check(&root),
        _ => bail!("{USAGE}"),
    }
}

/// The folder of the workspace.
fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(own.parent().context("xtask lies in the workspace")?.to_owned())
}
