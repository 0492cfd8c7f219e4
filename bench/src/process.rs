//! A server's processes: started in a group of their own, measured together, ended together.
//!
//! Source of the numbers: proc(5), `/proc/PID/stat`, `/proc/PID/task/TID/schedstat`, `/proc/PID/smaps_rollup`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};

/// Clock ticks a second in `/proc/PID/stat`: USER_HZ, 100 on every Linux this runs on.
const TICK_US: u64 = 10_000;
/// How long a server may go on working on what it was sent.
const REST_DEADLINE: Duration = Duration::from_secs(5);
/// Less than this in [`REST_STEP`] is rest: the house-keeping of databases.
const REST_US: f64 = 2_000.0;
const REST_STEP: Duration = Duration::from_millis(100);

/// A server and all it started. Dropping it kills them.
#[derive(Debug)]
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts `command` in a process group of its own; what it writes goes to `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.get_program().to_owned();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child })
    }

    /// Whether the process that was started has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU used so far by the process and its descendants.
    pub fn cpu(&self) -> Result<Cpu> {
        cpu_below(self.child.id())
    }

    /// The same, once the server has stopped working on what it was sent.
    pub async fn cpu_at_rest(&self) -> Result<Cpu> {
        cpu_at_rest(|| self.cpu(), Cpu::since).await
    }

    /// Proportional set size of the process and its descendants in bytes.
    pub fn pss(&self) -> Result<u64> {
        self.rollup("Pss:")
    }

    /// Resident set size in bytes.
    pub fn rss(&self) -> Result<u64> {
        self.rollup("Rss:")
    }

    /// The same once it has stopped to change by more than a thousandth, or after ten seconds.
    pub async fn pss_at_rest(&self) -> Result<u64> {
        at_rest(|| self.pss()).await
    }

    /// Ends the server in an orderly way, so that what it stored can be copied.
    pub async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(20);
        while !self.has_ended() {
            if Instant::now() > end {
                bail!("the server does not end on SIGTERM");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The group may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    fn rollup(&self, key: &str) -> Result<u64> {
        let mut kib = 0;
        for pid in tree(self.child.id()) {
            // A process of another user's, or one that has just ended, has none.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
            kib += text.lines().find_map(|line| number_after(line, key)).unwrap_or(0);
        }
        if kib == 0 { bail!("the server's memory cannot be read") } else { Ok(kib * 1024) }
    }
}

/// CPU used so far by a process and its descendants, those included that have ended and were waited for.
pub fn cpu_below(root: u32) -> Result<Cpu> {
    let tree = tree(root);
    let mut cpu = Cpu { ticks_us: 0, threads_us: 0 };
    for pid in &tree {
        cpu.ticks_us += stat(*pid).map_or(0, |stat| stat.cpu_ticks * TICK_US);
        cpu.threads_us += threads_ns(*pid) / 1000;
    }
    if tree.is_empty() { bail!("the server is gone") } else { Ok(cpu) }
}

/// What `read` gives once the CPU time `between` two looks is next to nothing, or after some seconds.
pub async fn cpu_at_rest<T: Copy>(read: impl Fn() -> Result<T>, between: impl Fn(T, T) -> f64) -> Result<T> {
    let end = Instant::now() + REST_DEADLINE;
    let mut before = read()?;
    loop {
        tokio::time::sleep(REST_STEP).await;
        let now = read()?;
        if between(now, before) < REST_US || Instant::now() > end {
            return Ok(now);
        }
        before = now;
    }
}

/// The process and its descendants.
fn tree(root: u32) -> BTreeSet<u32> {
    let processes: Vec<Stat> = numbers_in("/proc").filter_map(stat).collect();
    let mut tree = BTreeSet::new();
    if processes.iter().any(|stat| stat.pid == root) {
        tree.insert(root);
    }
    loop {
        let size = tree.len();
        tree.extend(
            processes.iter().filter(|stat| tree.contains(&stat.parent)).map(|stat| stat.pid).collect::<Vec<_>>(),
        );
        if tree.len() == size {
            return tree;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// CPU time, user and system, counted in two ways.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// From `stat`: of all threads that ever were, in steps of 10 ms.
    ticks_us: u64,
    /// From `schedstat`: to the nanosecond, of the threads that live.
    threads_us: u64,
}

impl Cpu {
    /// Microseconds since `earlier`: the fine count, unless threads have ended in between.
    #[expect(clippy::cast_precision_loss, reason = "CPU times are far below 2^52 microseconds")]
    pub fn since(self, earlier: Self) -> f64 {
        let ticks = self.ticks_us.saturating_sub(earlier.ticks_us);
        let threads = self.threads_us.saturating_sub(earlier.threads_us);
        let fine = ticks.abs_diff(threads) <= 2 * TICK_US || threads.abs_diff(ticks) * 50 <= ticks;
        if fine { threads as f64 } else { ticks as f64 }
    }
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct OwnMemory {
    /// Proportional set size.
    pub pss: u64,
    /// Resident set size.
    pub rss: u64,
    /// The part that belongs to no file: heap and stacks.
    pub heap: u64,
}

impl OwnMemory {
    /// Once it has stopped to change.
    pub async fn at_rest() -> Result<Self> {
        let read = || {
            let text = fs::read_to_string("/proc/self/smaps_rollup")?;
            let bytes = |key| {
                let kib = text.lines().find_map(|line| number_after(line, key)).context("no memory")?;
                Ok::<_, anyhow::Error>(kib * 1024)
            };
            Ok(Self { pss: bytes("Pss:")?, rss: bytes("Rss:")?, heap: bytes("Anonymous:")? })
        };
        at_rest(|| Ok(read()?.pss)).await?;
        read()
    }
}

/// CPU that this process has used, in microseconds.
pub fn own_cpu_us() -> u64 {
    stat(std::process::id()).map_or(0, |stat| stat.cpu_ticks * TICK_US)
}

/// A size once it has stopped to change by more than a thousandth, or after ten seconds.
async fn at_rest(read: impl Fn() -> Result<u64>) -> Result<u64> {
    let end = Instant::now() + Duration::from_secs(10);
    let (mut before, mut calm) = (read()?, 0);
    while calm < 3 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = read()?;
        calm = if now.abs_diff(before) * 1000 <= before { calm + 1 } else { 0 };
        before = now;
    }
    Ok(before)
}

/// Lets this process and those it starts open as many files as the hard limit allows.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What `/proc/PID/stat` says.
struct Stat {
    pid: u32,
    parent: u32,
    cpu_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields 14 and 15 are its own time, 16 and 17 that of children it has waited for.
    // The name in parentheses may hold anything; the fields after it are numbered from 3.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat { pid, parent: fields.get(1)?.parse().ok()?, cpu_ticks: (14..=17).filter_map(ticks).sum() })
}

fn threads_ns(pid: u32) -> u64 {
    let of = |thread: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    numbers_in(&format!("/proc/{pid}/task")).filter_map(of).sum()
}

fn numbers_in(folder: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The first number of a line that begins with `key`.
pub fn number_after(line: &str, key: &str) -> Option<u64> {
    line.strip_prefix(key)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_ended_make_the_coarse_count_the_better_one() {
        let start = Cpu { ticks_us: 0, threads_us: 0 };
        assert!((Cpu { ticks_us: 50_000, threads_us: 54_321 }.since(start) - 54_321.0).abs() < 0.1);
        assert!((Cpu { ticks_us: 500_000, threads_us: 54_321 }.since(start) - 500_000.0).abs() < 0.1);
    }

    #[test]
    fn this_process_is_in_proc() {
        let own = stat(std::process::id()).unwrap();
        assert!(own.parent > 0);
    }
}
