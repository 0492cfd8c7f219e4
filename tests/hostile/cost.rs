//! What an attack costs: processor time and memory of the server, and how long two people who chat meanwhile wait.
//! `docs/hostility.md` has the figures; `--nocapture` shows them anew.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testkit::{Client, Login, TestServer};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinHandle;

/// People write this often while they chat.
const PAUSE: Duration = Duration::from_millis(10);
/// Messages that tell how fast the server is when nothing else happens.
const QUIET_MESSAGES: usize = 50;

/// So many say something of how fast it is while something happens.
const MESSAGES_MIN: usize = 10;

/// Carol and Dave, who chat while others misbehave.
pub(crate) struct Chat {
    quiet: Waits,
    stop: oneshot::Sender<()>,
    talking: JoinHandle<Result<Waits>>,
}

/// How long messages were under way.
pub(crate) struct Waits {
    sorted: Vec<Duration>,
}

impl Chat {
    /// They come online, learn how fast the server is, and chat from here on: on a thread of their own, so that they
    /// wait for the server and not for the test.
    pub(crate) async fn begin(server: &TestServer) -> Result<Self> {
        let mut logins = Vec::new();
        for name in ["carol", "dave"] {
            // Makes the account where there is none yet.
            server.connected(name).await?.close().await?;
            logins.push(server.login(name, name)?);
        }
        let (stop, stopped) = oneshot::channel();
        let (calm, quiet) = oneshot::channel();
        let talking = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(talk(logins, calm, stopped))
        });
        match quiet.await {
            Ok(quiet) => Ok(Self { quiet, stop, talking }),
            // They are gone, and say why.
            Err(_) => bail!("the chat does not begin: {:?}", talking.await?.err()),
        }
    }

    /// They stop. Every message must have come, and in about the time that it takes on a quiet server: the bound has
    /// room for a busy machine, and none for waiting on somebody's turn.
    pub(crate) async fn end(self) -> Result<Waits> {
        // Nobody hears it when the chat has failed already, which the next line tells.
        let _ = self.stop.send(());
        let waits = self.talking.await?.context("the chat broke off")?;
        let bound = self.quiet.percentile(50) * 20 + Duration::from_millis(500);
        ensure!(waits.percentile(50) < bound, "{waits} instead of {}", self.quiet);
        println!("chat: {waits}; before: {}", self.quiet);
        Ok(waits)
    }
}

async fn talk(logins: Vec<Login>, calm: oneshot::Sender<Waits>, mut stopped: oneshot::Receiver<()>) -> Result<Waits> {
    let mut clients = Vec::new();
    for login in logins {
        let mut client = Client::connect(login).await?;
        client.come_online().await?;
        clients.push(client);
    }
    let [carol, dave] = clients.as_mut_slice() else { bail!("a chat is between two") };
    let mut quiet = Vec::new();
    for _ in 0..QUIET_MESSAGES {
        quiet.push(say(carol, dave).await?);
    }
    ensure!(calm.send(Waits::of(quiet)).is_ok(), "nobody listens");
    let mut waits = Vec::new();
    let mut pause = tokio::time::interval(PAUSE);
    loop {
        waits.push(say(carol, dave).await?);
        pause.tick().await;
        if waits.len() >= MESSAGES_MIN && !matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            return Ok(Waits::of(waits));
        }
    }
}

async fn say(from: &mut Client, to: &mut Client) -> Result<Duration> {
    let started = Instant::now();
    let id = from.say(to.bare(), "still here?").await?;
    let message = to.message().await?;
    ensure!(message.attr("id") == Some(&id), "another message came: {message:?}");
    Ok(started.elapsed())
}

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self { sorted: waits }
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get(last * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, worst] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "p50 {p50:.1?}, p99 {p99:.1?}, worst {worst:.1?} of {}", self.sorted.len())
    }
}

/// Reads what the server's process has used.
pub(crate) struct Meter {
    pid: u32,
    cpu: Duration,
    resident_bytes: u64,
}

/// What it used since then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    /// More memory than before; 0 for less.
    pub(crate) grown_bytes: u64,
}

impl Meter {
    pub(crate) fn start(server: &TestServer) -> Result<Self> {
        let pid = server.pid().context("the server does not run")?;
        Ok(Self { pid, cpu: cpu(pid)?, resident_bytes: resident_bytes(pid)? })
    }

    pub(crate) fn spent(&self) -> Result<Spent> {
        Ok(Spent {
            cpu: cpu(self.pid)?.saturating_sub(self.cpu),
            grown_bytes: resident_bytes(self.pid)?.saturating_sub(self.resident_bytes),
        })
    }
}

impl Spent {
    /// Says what each of `count` things of a kind cost.
    pub(crate) fn print(self, what: &str, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let (cpu, bytes) = (self.cpu / count, self.grown_bytes / u64::from(count));
        println!(
            "{what}: {count} cost {:?} and {} KiB; each {cpu:.1?} and {bytes} bytes",
            self.cpu,
            self.grown_bytes >> 10
        );
    }
}

/// Processor time of a process, user and system.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; fields 14 and 15 of the line count ticks of 10 ms.
    let rest = stat.rsplit(')').next().context("no stat")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Memory that a process occupies.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
