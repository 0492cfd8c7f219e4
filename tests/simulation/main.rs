//! Deterministic simulation: users with several devices on a server whose clock, database and connections are in this
//! process and follow a seed. Every run ends with an oracle that knows what was promised.
//!
//! `WHIMBREL_SEED=N` replays one run and prints what happened; `WHIMBREL_SEEDS=N` runs more of them, from seed 0.
//! A seed that found a bug stays in `regressions.txt`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod device;
mod link;
mod oracle;
mod random;
mod record;
mod script;
mod session;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs of `make test`.
const SEEDS: u64 = 2_000;
/// Failures that are told before it is enough.
const TOLD: usize = 5;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What a run was like.
struct Run {
    problems: Vec<String>,
    transcript: String,
}

/// A task that panics would go unnoticed: its runtime catches it.
fn watch_for_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(format!("a panic: {panic}")));
            before(panic);
        }));
    });
}

fn run(seed: u64) -> Run {
    watch_for_panics();
    PANICS.take();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(script::play(seed))));
    drop(runtime);
    let panics = PANICS.take();
    let Ok(world) = played else { return Run { problems: panics, transcript: String::new() } };
    let record = world.record();
    let problems = record.problems.iter().cloned().chain(panics).collect();
    Run { problems, transcript: record.transcript() }
}

fn report(seed: u64, run: &Run) -> String {
    format!("seed {seed}:\n{}\n{}\n  replay it with WHIMBREL_SEED={seed}\n", run.transcript, run.problems.join("\n"))
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_every_promise_holds() {
    if let Some(seed) = number_from("WHIMBREL_SEED") {
        let run = run(seed);
        println!("{}", report(seed, &run));
        assert!(run.problems.is_empty());
        return;
    }
    let seeds = number_from("WHIMBREL_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || failures.len() >= TOLD {
                return failures;
            }
            let run = run(seed);
            if !run.problems.is_empty() {
                failures.push((seed, run));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut failures: Vec<(u64, Run)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    failures.sort_by_key(|(seed, _)| *seed);
    for (seed, run) in &failures {
        println!("seed {seed} fails:\n{}", run.problems.join("\n"));
    }
    if let Some((seed, run)) = failures.first() {
        panic!("{}", report(*seed, run));
    }
}

#[test]
fn what_was_mended_stays_mended() {
    for line in include_str!("regressions.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some(seed) = line.split_whitespace().next() else { continue };
        let seed = seed.parse().expect("a seed at the beginning of the line");
        let run = run(seed);
        assert!(run.problems.is_empty(), "{}", report(seed, &run));
    }
}

#[test]
fn a_seed_replays_to_the_letter() {
    for seed in 0..20 {
        assert_eq!(without_ids(&run(seed).transcript), without_ids(&run(seed).transcript), "seed {seed}");
    }
}

/// Archive ids begin at a random place in each process.
fn without_ids(transcript: &str) -> String {
    transcript.lines().map(|line| line.split("after Some").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
