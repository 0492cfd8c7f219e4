//! A folder that `whimbreld init` wrote, without a server: for tests of commands that must not succeed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::whimbreld::{Finished, command};

/// What `whimbreld init` writes for `localhost`, changed to listen on free ports of loopback; removed when dropped.
#[derive(Debug)]
pub struct Folder {
    home: PathBuf,
    _dir: TempDir,
}

impl Folder {
    /// Runs `whimbreld init`.
    ///
    /// # Errors
    /// When it fails.
    pub async fn init() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("whimbrel-test-").tempdir()?;
        let home = dir.path().join("server");
        command(&["init", "--domain", "localhost", "--dir", &home.to_string_lossy()], &[], "")
            .await?
            .success()
            .context("whimbreld init")?;
        let folder = Self { home, _dir: dir };
        let text = folder.text()?.replace("0.0.0.0:5222", "127.0.0.1:0").replace("0.0.0.0:5223", "127.0.0.1:0");
        std::fs::write(folder.config(), text)?;
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.home
    }

    /// Its `whimbrel.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home.join("whimbrel.toml")
    }

    /// What stands in `whimbrel.toml`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.config())?)
    }

    /// Changes `whimbrel.toml`; `old` must stand in it.
    ///
    /// # Errors
    /// When it does not, or the file cannot be written.
    pub fn edit(&self, old: &str, new: &str) -> Result<()> {
        let text = self.text()?;
        anyhow::ensure!(text.contains(old), "the configuration holds no {old:?}");
        Ok(std::fs::write(self.config(), text.replacen(old, new, 1))?)
    }

    /// Runs `whimbreld ARGS --config FILE` to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end; its exit code is in the answer.
    pub async fn whimbreld(&self, args: &[&str], environment: &[(String, String)], stdin: &str) -> Result<Finished> {
        let config = self.config();
        let config = config.to_string_lossy();
        let mut line = args.to_vec();
        line.extend(["--config", &*config]);
        command(&line, environment, stdin).await
    }
}

/// Runs `whimbreld ARGS` to its end.
///
/// # Errors
/// When it cannot be started or does not end; its exit code is in the answer.
pub async fn whimbreld(args: &[&str], stdin: &str) -> Result<Finished> {
    command(args, &[], stdin).await
}

/// As [`whimbreld`], with variables that override the configuration.
///
/// # Errors
/// As [`whimbreld`].
pub async fn whimbreld_with(args: &[&str], environment: &[(String, String)], stdin: &str) -> Result<Finished> {
    command(args, environment, stdin).await
}
