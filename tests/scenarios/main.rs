//! Finds every script below this folder and runs it on each kind of database: one test a script, one server a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use testkit::Backend;
use testkit::scenario::{self, OtherServer, Script, Target};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// The scripts of one extension, and the server they share once one of them runs.
struct Folder {
    path: PathBuf,
    backend: Backend,
    target: OnceCell<Target>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new()?);
    let root = testkit::workspace().join("tests/scenarios");
    let mut folders = Vec::new();
    let mut trials = Vec::new();
    // A server of somebody else has the database that it has.
    let backends = if OtherServer::from_environment()?.is_some() { &[Backend::Sqlite][..] } else { &Backend::ALL };
    for path in entries(&root)?.into_iter().filter(|path| path.is_dir()) {
        for backend in backends.iter().copied() {
            let folder = Arc::new(Folder { path: path.clone(), backend, target: OnceCell::new() });
            trials.extend(trials_of(&folder, &runtime)?);
            folders.push(folder);
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Exiting drops nothing: the servers are stopped here.
    drop(folders);
    Ok(conclusion.exit_code())
}

fn trials_of(folder: &Arc<Folder>, runtime: &Arc<Runtime>) -> Result<Vec<Trial>> {
    let name = file_name(&folder.path);
    let scripts: Vec<PathBuf> =
        entries(&folder.path)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    if scripts.is_empty() {
        let empty = format!("{name} holds no script");
        return Ok(vec![Trial::test(format!("{name}/"), || Err(Failed::from(empty)))]);
    }
    let trial = |script: PathBuf| {
        let (folder, runtime) = (Arc::clone(folder), Arc::clone(runtime));
        let stem = script.file_stem().unwrap_or_default().to_string_lossy();
        let title = format!("{}/{name}/{stem}", folder.backend.name());
        Trial::test(title, move || {
            let done = runtime.block_on(run_script(&folder, &script));
            done.map_err(|error| Failed::from(format!("{}: {error:#}", script.display())))
        })
    };
    Ok(scripts.into_iter().map(trial).collect())
}

async fn run_script(folder: &Folder, path: &Path) -> Result<()> {
    let script = Script::parse(&fs::read_to_string(path)?)?;
    let target = folder
        .target
        .get_or_try_init(|| Target::for_folder(&folder.path, folder.backend))
        .await
        .context("the server")?;
    match scenario::run(&script, target).await {
        Ok(()) => Ok(()),
        Err(error) => bail!("{error:#}\n{}", target.log().map(|log| last_lines(&log)).unwrap_or_default()),
    }
}

/// The end of the server's log, enough to see why it did not answer.
fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(15);
    format!("the server's log ends with\n{}", lines.get(from..).unwrap_or_default().join("\n"))
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut found = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
