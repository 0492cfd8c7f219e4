//! Other people's programs, looked up in the path.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where `name` is.
///
/// # Errors
/// When it is missing; the error says how to install it, from the Debian package `package`.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.with_context(|| format!("{name} is missing: scripts/need.sh {name}:{package}"))
}
