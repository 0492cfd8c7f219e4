//! SIGKILL of what fills a whole database: nobody opens it half full, and the same command run again completes it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::faults::{Dice, archived_of, number_from, seed};
use testkit::{Backend, Finished, TestServer, binary, whimbreld_with};

const MESSAGES: usize = 3_000;
/// Kills after which one must have come in the middle.
const KILLS_MAX: usize = 60;

/// A stopped server whose Bob has many messages.
async fn much_to_move() -> Result<TestServer> {
    let mut server = TestServer::builder().database(Backend::Sqlite).start().await?;
    let mut alice = server.alice().await?;
    server.add_user("bob", "bob").await?;
    for number in 0..MESSAGES {
        alice.say("bob@localhost", &format!("{number} {}", "x".repeat(200))).await?;
    }
    alice.round_trip().await?;
    server.terminate().await?;
    Ok(server)
}

/// What a command is run with: on the server's configuration, with its database at `url`.
struct Tool<'a> {
    server: &'a TestServer,
    url: &'a str,
}

impl Tool<'_> {
    fn environment(&self) -> Vec<(String, String)> {
        let url = (String::from("WHIMBREL_STORAGE__URL"), format!("\"{}\"", self.url));
        self.server.environment().iter().cloned().chain([url]).collect()
    }

    async fn runs(&self, args: &[&str]) -> Result<Finished> {
        let config = self.server.config();
        whimbreld_with(&[args, &["--config", &*config.to_string_lossy()]].concat(), &self.environment(), "").await
    }

    /// Kills it after so long, unless it ended.
    async fn killed_after(&self, args: &[&str], moment: Duration) -> Result<()> {
        let mut child = tokio::process::Command::new(binary()?)
            .args(args)
            .arg("--config")
            .arg(self.server.config())
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if tokio::time::timeout(moment, child.wait()).await.is_err() {
            child.kill().await?;
        }
        Ok(())
    }

    /// How full the database is.
    async fn state(&self, command: &str) -> Result<State> {
        let listed = self.runs(&["user", "list"]).await?;
        if listed.code == Some(0) {
            return Ok(if listed.stdout.is_empty() { State::Empty } else { State::Whole });
        }
        let why = format!("`whimbreld {command}` has not filled it to the end: run that again");
        let run = self.runs(&["run"]).await?;
        for refused in [listed, run] {
            ensure!(refused.stderr.lines().count() == 1 && refused.stderr.contains(&why), "{refused:?}");
        }
        Ok(State::Half)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Half,
    Whole,
}

/// How a database is filled.
#[derive(Clone, Copy)]
enum Filling<'a> {
    Restore { place: &'a str },
    Migrate { from: &'a str },
}

impl Filling<'_> {
    fn command(self) -> &'static str {
        match self {
            Self::Restore { .. } => "backup restore",
            Self::Migrate { .. } => "migrate --to",
        }
    }

    async fn run(self, server: &TestServer, url: &str, killed_after: Option<Duration>) -> Result<()> {
        let (args, at) = match self {
            Self::Restore { place } => (["backup", "restore", "--from", place].to_vec(), url),
            Self::Migrate { from } => (["migrate", "--to", url].to_vec(), from),
        };
        let tool = Tool { server, url: at };
        match killed_after {
            Some(moment) => tool.killed_after(&args, moment).await,
            None => tool.runs(&args).await?.success().map(drop),
        }
    }
}

/// Fills empty databases and kills at random moments, until one kill came in the middle at least; each is then filled
/// to its end. Returns one of them.
async fn fill_and_kill(server: &mut TestServer, backend: Backend, filling: Filling<'_>) -> Result<String> {
    let (seed, kills) = (seed(), number_from("WHIMBREL_KILLS", 6));
    println!("WHIMBREL_SEED={seed} WHIMBREL_KILLS={kills}: {} on {}", filling.command(), backend.name());
    let mut dice = Dice::new(seed);
    let mut number = 0;
    let mut empty = |server: &mut TestServer| {
        number += 1;
        match backend {
            Backend::Sqlite => Ok(format!("sqlite:filled{number}.db")),
            other => server.empty_database(other),
        }
    };
    let url = empty(server)?;
    let started = Instant::now();
    filling.run(server, &url, None).await?;
    let whole_ms = u64::try_from(started.elapsed().as_millis())?;
    let mut states = Vec::new();
    while states.len() < usize::try_from(kills)? || !states.contains(&State::Half) {
        ensure!(states.len() < KILLS_MAX, "it never broke off in the middle with WHIMBREL_SEED={seed}: {states:?}");
        let url = empty(server)?;
        let tool = Tool { server, url: &url };
        let mut state = State::Empty;
        while state != State::Whole {
            let moment = Duration::from_millis(dice.below(whole_ms));
            filling.run(server, &url, dice.percent(70).then_some(moment)).await?;
            state = tool.state(filling.command()).await?;
            states.push(state);
        }
    }
    println!("{states:?}");
    Ok(url)
}

async fn everything_is_there(server: &mut TestServer, url: &str) -> Result<()> {
    server.set("storage.url", &format!("\"{url}\""));
    server.start_again().await?;
    let archive = archived_of(server.login("bob", "bob")?).await?;
    ensure!(archive.len() == MESSAGES, "bob has {} messages", archive.len());
    Ok(())
}

async fn restored(backend: Backend) -> Result<()> {
    let mut server = much_to_move().await?;
    let place = server.dir().join("backups");
    let place = place.to_string_lossy();
    server.cli(&["backup", "create", "--to", &place], "").await?.success()?;
    let url = fill_and_kill(&mut server, backend, Filling::Restore { place: &place }).await?;
    everything_is_there(&mut server, &url).await
}

async fn migrated(backend: Backend) -> Result<()> {
    let mut server = much_to_move().await?;
    let from = server.storage_url();
    let url = fill_and_kill(&mut server, backend, Filling::Migrate { from: &from }).await?;
    everything_is_there(&mut server, &url).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_killed_is_no_server_and_is_run_again() -> Result<()> {
    restored(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_killed_is_no_server_and_is_run_again_on_postgresql() -> Result<()> {
    restored(Backend::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_killed_is_no_server_and_is_run_again_on_mysql() -> Result<()> {
    restored(Backend::Mysql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_killed_is_no_server_and_is_run_again() -> Result<()> {
    migrated(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_killed_is_no_server_and_is_run_again_on_postgresql() -> Result<()> {
    migrated(Backend::Postgres).await
}
