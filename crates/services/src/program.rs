//! Finding and running the programs of Debian's packages.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail};

/// Where a program is. Debian keeps those of PostgreSQL out of `PATH`, in a folder for each version.
///
/// # Errors
/// When it is missing; the error says how to install it.
pub fn find(name: &str, package: &str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&folders).collect();
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.sort();
    // The newest version first.
    places.splice(0..0, versions.into_iter().rev());
    places.push("/usr/sbin".into());
    let found = places.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is missing: install it with `apt-get install {package}` (`make setup` does)"))
}

/// Whether this process may do anything, which database servers refuse to run with.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Runs a program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(program: &Path, args: &[S], variables: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).envs(variables.iter().copied());
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", program.display(), said.trim());
    }
    Ok(output)
}
