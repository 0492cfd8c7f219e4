//! A server's folder: of a name of its own, so that tests do not meet. Its keeper removes it.

use std::{
    path::PathBuf,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, bail};

/// Creates an empty folder for a server of this kind.
pub(crate) fn create(kind: &str) -> Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("whimbrel-{kind}-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
