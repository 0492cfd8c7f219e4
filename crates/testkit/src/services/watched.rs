//! A child process that does not outlive the test: a shell waits for the end of its standard input, which comes with
//! the end of the test process, and kills the child.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// Runs what it was given; `cat` ends when nobody can write to it any more.
const SCRIPT: &str = r#""$@" </dev/null & child=$!; cat >/dev/null; kill -9 $child; wait $child 2>/dev/null"#;

/// A running program; dropping it kills it.
#[derive(Debug)]
pub(super) struct Watched {
    shell: Child,
    held_open: Option<ChildStdin>,
}

impl Watched {
    /// Starts `program` with what it prints in the file `log`.
    pub(super) fn start(program: &Path, args: &[&OsStr], log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start sh")?;
        let held_open = shell.stdin.take();
        Ok(Self { shell, held_open })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.held_open.take();
        let _ = self.shell.wait();
    }
}

/// A port of loopback that nobody listens on at the moment.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
