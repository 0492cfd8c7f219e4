//! `bench sessions`: one `whimbreld` that holds as many TLS sessions as one process has descriptors for: what each
//! costs in memory, how fast all come back, and whether messages still flow.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::client::{Account, Login, Session, Target, numbered, register};
use crate::machine::{self, Workplace, kernel_number};
use crate::peer::{self, Peer, Retention, Running};
use crate::work::{self, Paced, per};

/// Sessions from one address, well below the ports it has.
const SESSIONS_PER_ADDRESS: usize = 4_000;
/// Connections underway in the storm.
const STORM_AT_A_TIME: usize = 2_000;
/// Sessions that talk while the others are idle.
const TALKERS: usize = 1_000;
/// Bytes of a page, in which the kernel counts socket buffers.
const PAGE_BYTES: u64 = 4096;

/// What `bench sessions` is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// Sessions, one for each account
    #[arg(long, default_value_t = 19_000)]
    count: usize,
}

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    pss: u64,
    rss: u64,
    /// Of both ends: sockets of clients and server are in one kernel.
    slab: u64,
    socket_buffers: u64,
}

/// Runs it and prints what was found.
///
/// # Errors
/// When any session or message fails.
pub async fn run(options: Options) -> Result<()> {
    let place = Workplace::in_memory()?;
    let accounts = numbered(options.count);
    println!(
        "{} TLS sessions, one account each; {}; load average {}",
        options.count,
        machine::description(),
        machine::load()
    );
    let running = peer::start(Peer::Whimbrel, place.path(), Retention::Forever).await?;
    let seconds = Instant::now();
    let made =
        all(&running, &accounts, 16, |login, account| async move { register(login.target, &account).await }).await?;
    println!("accounts made: {} in {:.0} s", made.len(), seconds.elapsed().as_secs_f64());

    // A fresh process: memory that registration left behind is not the sessions'.
    running.server.stop().await?;
    let running = peer::start(Peer::Whimbrel, place.path(), Retention::Forever).await?;
    let warm = all(&running, accounts.get(..100).unwrap_or(&accounts), 16, online).await?;
    work::each(warm, 16, Session::close).await?;
    let empty = memory(&running).await?;
    let first = timed("first log-in, the clients hash their passwords", &running, &accounts, 16).await?;
    let held = memory(&running).await?;
    show(empty, held, options.count);

    drop(first);
    let back = timed("log-in storm after all connections were lost", &running, &accounts, STORM_AT_A_TIME).await?;
    show(empty, memory(&running).await?, options.count);

    let mut everybody: Vec<_> = back.into_iter().zip(accounts.iter().cloned()).collect();
    shuffle(&mut everybody);
    let idle = everybody.split_off(TALKERS.min(everybody.len()));
    let (mut talking, talkers): (Vec<_>, Vec<_>) = everybody.into_iter().unzip();
    for per_sec in [1_000, 2_000] {
        let (latency, talked) = work::exchange(talking, &talkers, Paced { per_sec, secs: 10 }).await?;
        talking = talked;
        println!(
            "{per_sec} messages a second among {} of them: latency p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms; \
             all arrived once and in order",
            talkers.len(),
            latency.p50_ms,
            latency.p99_ms,
            latency.max_ms
        );
    }
    let idle: Vec<_> = idle.into_iter().map(|(session, _)| session).collect();
    let silent = idle.len();
    let idle = work::each(idle, 64, |mut session| async move {
        session.acknowledged().await?;
        Ok(session)
    })
    .await?;
    println!("the other {silent} are still there, and each was answered; failures: 0");
    drop((talking, idle));
    drop(running);
    let log = fs::read_to_string(place.path().join("output.log")).unwrap_or_default();
    let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).count();
    if complaints == 0 { Ok(()) } else { bail!("the server complained {complaints} times") }
}

/// Brings items out of order, the same way each time.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let mut state: usize = 1;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) % (last + 1));
    }
}

async fn online(login: Login, account: Arc<Account>) -> Result<Session> {
    Session::online(login, &account).await
}

async fn timed(what: &str, running: &Running, accounts: &[Arc<Account>], at_a_time: usize) -> Result<Vec<Session>> {
    let (before, clock) = (running.server.cpu()?, Instant::now());
    let sessions = all(running, accounts, at_a_time, online).await?;
    let secs = clock.elapsed().as_secs_f64();
    let cpu = running.server.cpu()?.since(before);
    println!(
        "{what}: {} in {secs:.1} s, {:.0} a second, {at_a_time} at a time; {:.0} µs of server CPU each",
        sessions.len(),
        1.0 / per(secs, sessions.len()),
        per(cpu, sessions.len())
    );
    Ok(sessions)
}

/// Does something for every account, from as many addresses as it takes.
async fn all<R, F>(
    running: &Running,
    accounts: &[Arc<Account>],
    at_a_time: usize,
    what: impl Fn(Login, Arc<Account>) -> F,
) -> Result<Vec<R>>
where
    R: Send + 'static,
    F: Future<Output = Result<R>> + Send + 'static,
{
    let number = AtomicUsize::new(0);
    work::each(accounts.to_vec(), at_a_time, |account| {
        let address = number.fetch_add(1, Ordering::Relaxed) / SESSIONS_PER_ADDRESS + 2;
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(address).unwrap_or(u8::MAX));
        let target = Target { source: Some(source), ..running.target(true) };
        what(Login { target, sm: true }, account)
    })
    .await
}

async fn memory(running: &Running) -> Result<Memory> {
    let pss = running.server.pss_at_rest().await?;
    // "TCP: inuse 5 orphan 0 tw 0 alloc 8 mem 3": pages of buffers.
    let sockets = fs::read_to_string("/proc/net/sockstat")?;
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages: u64 = tcp.split(" mem ").nth(1).and_then(|word| word.trim().parse().ok()).unwrap_or(0);
    Ok(Memory {
        pss,
        rss: running.server.rss()?,
        slab: kernel_number("/proc/meminfo", "Slab:") * 1024,
        socket_buffers: pages * PAGE_BYTES,
    })
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn show(empty: Memory, held: Memory, count: usize) {
    let each = |of: fn(&Memory) -> u64| per(of(&held).saturating_sub(of(&empty)) as f64 / 1024.0, count);
    println!(
        "memory of each session: {:.1} KiB PSS, {:.1} KiB RSS in the server; in the kernel, for both ends of the \
         connection: {:.1} KiB slab, {:.1} KiB socket buffers",
        each(|memory| memory.pss),
        each(|memory| memory.rss),
        each(|memory| memory.slab),
        each(|memory| memory.socket_buffers)
    );
}
