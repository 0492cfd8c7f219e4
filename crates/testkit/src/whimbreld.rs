//! The `whimbreld` binary as an operator has it: finding or building it, and running its commands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::AsyncWriteExt;

/// The folder of the workspace, from which tests find their files.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The server's binary: what `WHIMBRELD` names, else a debug build made once per process.
///
/// # Errors
/// When the build fails.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(|error| anyhow!(error))
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WHIMBRELD") {
        return Ok(PathBuf::from(path));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = workspace();
    let built = Command::new(cargo)
        .args(["build", "-q", "-p", "server", "--bin", "whimbreld"])
        .current_dir(&workspace)
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo to build whimbreld")?;
    if !built.status.success() {
        bail!("whimbreld does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let path = workspace.join(target).join("debug/whimbreld");
    if path.exists() { Ok(path) } else { bail!("cargo built no {}", path.display()) }
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Finished {
    /// The same, if the command succeeded.
    ///
    /// # Errors
    /// With the output, when the exit code is not 0.
    pub fn success(self) -> Result<Self> {
        match self.code {
            Some(0) => Ok(self),
            code => bail!("exit code {code:?}\nstdout: {}\nstderr: {}", self.stdout, self.stderr),
        }
    }
}

/// Runs `whimbreld ARGS` to its end, with `stdin` as its input.
pub(crate) async fn command<S: AsRef<OsStr>>(
    args: &[S],
    environment: &[(String, String)],
    stdin: &str,
) -> Result<Finished> {
    let path = binary()?;
    let mut child = tokio::process::Command::new(&path)
        .args(args)
        .envs(environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", path.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input may be gone already.
        let _ = input.write_all(stdin.as_bytes()).await;
    }
    let output = tokio::time::timeout(super::DEADLINE * 3, child.wait_with_output())
        .await
        .context("whimbreld does not end")??;
    Ok(Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
