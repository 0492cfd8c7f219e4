//! `bench memory-sessions`: a million sessions in one process. The server's own code serves them, from the first byte of
//! a connection on; only the sockets are pipes in memory, because no process here has descriptors for a million.

pub mod clients;
mod server;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::task::JoinSet;

use self::server::Server;
use crate::client::{Alike, Session, Wire};
use crate::machine::{self, Workplace, kernel_number};
use crate::process::{self, OwnMemory};
use crate::sessions::shuffle;
use crate::work::{self, Latency, Paced, per};

/// What this is for.
const MILLION: usize = 1_000_000;
/// Log-ins, or questions, underway.
const AT_A_TIME: usize = 64;
/// Log-ins before the memory of an empty server is read.
const WARMING: usize = 100;
/// Sessions that talk, two in each pair.
const TALKERS: usize = 4_000;
/// Messages a second over all of them.
const PER_SEC: u32 = 1_000;
/// Memory that is left to the system.
const FREE_BYTES_MIN: u64 = 2 << 30;
/// Log-ins between two looks at the memory.
const LOOK_EACH: usize = 1_000;

/// What `bench memory-sessions` is asked for.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Sessions, one for each account
    #[arg(long, default_value_t = MILLION)]
    count: usize,
    /// Bytes that a connection holds each way
    #[arg(long, default_value_t = 1_024)]
    pipe_bytes: usize,
    /// Seconds of talk; each of 4,000 sends a message in four
    #[arg(long, default_value_t = 12)]
    secs: u32,
}

/// A session and the number of its account.
type Held = (usize, Session);

/// Runs it and prints what was found.
///
/// # Errors
/// When any session or message fails, or the memory does not suffice.
pub async fn run(options: Options) -> Result<()> {
    let clock = Instant::now();
    let place = Workplace::in_memory()?;
    println!(
        "{} sessions in one process, pipes of {} bytes; {}; load average {}",
        options.count,
        options.pipe_bytes,
        machine::description(),
        machine::load()
    );
    let client_bytes = clients::measure(&options)?;
    let server = Arc::new(Server::start(place.path(), options.pipe_bytes).await?);
    let made = Instant::now();
    server.create_accounts(options.count).await?;
    println!("accounts made: {} in {:.1} s", options.count, made.elapsed().as_secs_f64());

    let alike = Arc::new(Alike::default());
    let warm = log_in(&server, &alike, WARMING.min(options.count)).await?;
    work::each(warm, AT_A_TIME, |(_, session)| session.close()).await?;
    server.is_empty().await?;
    let empty = OwnMemory::at_rest().await?;

    let (began, cpu) = (Instant::now(), process::own_cpu_us());
    let mut held = log_in(&server, &alike, options.count).await?;
    let (secs, cpu) = (began.elapsed().as_secs_f64(), process::own_cpu_us() - cpu);
    println!(
        "log-ins: {} in {secs:.0} s, {:.0} a second, {AT_A_TIME} at a time; {:.0} µs of CPU each, client and server",
        held.len(),
        1.0 / per(secs, held.len()),
        per(bytes(cpu), held.len())
    );
    show(empty, OwnMemory::at_rest().await?, client_bytes, held.len());
    println!("database: {:.2} GB in tmpfs, counted nowhere else", gigabytes(server.database_bytes()?));

    shuffle(&mut held);
    let idle = held.split_off(TALKERS.min(held.len()) / 2 * 2);
    let (silent, talking) = (idle.len(), held.len());
    let paced = Paced { per_sec: PER_SEC, secs: options.secs };
    let (latency, held) = talk(&alike, held, paced).await?;
    println!(
        "{} messages a second among {talking} of them in random pairs, {} s: latency p50 {:.2} ms, p99 {:.2} ms, \
         longest {:.1} ms; all arrived once and in order",
        paced.per_sec, paced.secs, latency.p50_ms, latency.p99_ms, latency.max_ms
    );
    let began = Instant::now();
    let idle = ask_all(idle).await?;
    let reached = idle.len() + held.len();
    println!(
        "the other {silent} were asked and each has answered, in {:.0} s; failures: 0; load average {}; {:.0} s in all",
        began.elapsed().as_secs_f64(),
        machine::load(),
        clock.elapsed().as_secs_f64()
    );
    if reached == options.count { Ok(()) } else { bail!("memory ended the run at {reached} of {}", options.count) }
}

/// Logs in numbers `0` to `count - 1`; fewer when memory runs low.
async fn log_in(server: &Arc<Server>, alike: &Arc<Alike>, count: usize) -> Result<Vec<Held>> {
    let mut held = Vec::with_capacity(count);
    let mut tasks = JoinSet::new();
    let mut enough = true;
    for number in 0..count {
        if number % LOOK_EACH == 0 && kernel_number("/proc/meminfo", "MemAvailable:") * 1024 < FREE_BYTES_MIN {
            println!("STOPPED at {number} sessions: less than {:.0} GB of memory is free", gigabytes(FREE_BYTES_MIN));
            enough = false;
            break;
        }
        if tasks.len() >= AT_A_TIME
            && let Some(done) = tasks.join_next().await
        {
            held.push(done??);
        }
        tasks.spawn(one(Arc::clone(server), Arc::clone(alike), number));
    }
    while let Some(done) = tasks.join_next().await {
        held.push(done??);
    }
    if enough && held.len() != count { bail!("{} of {count} are online", held.len()) } else { Ok(held) }
}

async fn one(server: Arc<Server>, alike: Arc<Alike>, number: usize) -> Result<Held> {
    let wire = Wire::in_memory(server.connect()?);
    let mut session = Session::online_over(wire, &alike.account(number)).await?;
    session.acknowledged().await?;
    session.flush().await?;
    session.rest();
    Ok((number, session))
}

async fn talk(alike: &Alike, held: Vec<Held>, paced: Paced) -> Result<(Latency, Vec<Session>)> {
    let (talkers, online): (Vec<_>, Vec<_>) =
        held.into_iter().map(|(number, session)| (Arc::new(alike.account(number)), session)).unzip();
    work::exchange(online, &talkers, paced).await.context("messages while all are held")
}

/// Asks each session's server whether it is there.
async fn ask_all(idle: Vec<Held>) -> Result<Vec<Session>> {
    let mut answered = Vec::with_capacity(idle.len());
    let mut tasks = JoinSet::new();
    for (number, mut session) in idle {
        if tasks.len() >= AT_A_TIME
            && let Some(done) = tasks.join_next().await
        {
            answered.push(done??);
        }
        tasks.spawn(async move {
            session.acknowledged().await.with_context(|| format!("session {number}"))?;
            session.rest();
            Ok::<_, anyhow::Error>(session)
        });
    }
    while let Some(done) = tasks.join_next().await {
        answered.push(done??);
    }
    Ok(answered)
}

fn show(empty: OwnMemory, held: OwnMemory, client_bytes: f64, count: usize) {
    let each = |of: fn(&OwnMemory) -> u64| per(bytes(of(&held).saturating_sub(of(&empty))), count);
    let pss = each(|memory| memory.pss);
    println!(
        "memory of the process: {:.2} GB RSS, {:.2} GB before the log-ins",
        gigabytes(held.rss),
        gigabytes(empty.rss)
    );
    println!(
        "memory of each session: {pss:.0} bytes PSS, {:.0} bytes heap; of it client and pipe {client_bytes:.0} \
         (measured without a server), so that the server's half is {:.0} bytes",
        each(|memory| memory.heap),
        pss - client_bytes
    );
    if count != MILLION {
        println!(
            "extrapolated, not measured: a million would be {:.1} GB with their clients, {:.1} GB the server's half",
            pss / 1_000.0,
            (pss - client_bytes) / 1_000.0
        );
    }
}

/// A size or a count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// In 10^9 bytes.
fn gigabytes(count: u64) -> f64 {
    bytes(count) / 1e9
}
