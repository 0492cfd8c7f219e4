//! A server's processes: started in a group of their own, and ended with it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a server may take to listen, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server and all it started. Dropping it kills them.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a server, and waits until it listens. What it writes goes to `log`.
    pub(super) async fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let out = File::create(log)?;
        let program = command.get_program().to_owned();
        let command = command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut process = Self { child };
        let listening = async {
            while TcpStream::connect(address).is_err() {
                if process.child.try_wait()?.is_some() {
                    bail!("{} ended", program.display());
                }
                tokio::time::sleep(LOOK_EVERY).await; // tidy: allow sleep, one step of a bounded poll
            }
            Ok(())
        };
        let listening = tokio::time::timeout(START_DEADLINE, listening).await.context("it does not listen");
        listening.and_then(|listening| listening).with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        Ok(process)
    }

    /// Ends the server in good order: what it stored is complete then.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let ended = async {
            while self.child.try_wait()?.is_none() {
                tokio::time::sleep(LOOK_EVERY).await; // tidy: allow sleep, one step of a bounded poll
            }
            Ok(())
        };
        tokio::time::timeout(START_DEADLINE, ended).await.context("the server does not end on SIGTERM")?
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, services::free_port()?).into())
}

/// A script of a package, with something in it replaced that would not work in a folder of its own.
pub(super) fn adapted(script: &str, (old, new): (&str, &str)) -> Result<String> {
    let missing = || format!("{script} is missing: run scripts/setup-servers.sh");
    let text = fs::read_to_string(script).with_context(missing)?;
    anyhow::ensure!(text.contains(old), "{script} is another one than was expected: it has no {old}");
    Ok(text.replace(old, new))
}

/// Runs a command to its end.
pub(super) async fn run(command: Command) -> Result<()> {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(START_DEADLINE, command.output()).await.context("it does not end")??;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{:?} failed: {out}{err}", command.as_std().get_program());
    }
    Ok(())
}
