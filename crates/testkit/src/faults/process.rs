//! What the operating system can be told to do to a running server.

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Makes every write beyond so many bytes of any file fail with EFBIG; `None` lifts that.
///
/// # Errors
/// When the process is gone.
pub fn limit_file_bytes(pid: u32, bytes: Option<u64>) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    // The hard limit stays, so that the soft one can be lifted again.
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None })?;
    Ok(())
}
