//! A shell that starts a server, kills it when told to, and ends it when the test process is gone: its standard input
//! is a pipe that only this process holds, and which ends with it, even by SIGKILL.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// `$1` is the folder, `$2` the signal that ends the server, `$3` says whether the folder stays; the rest is the server's
/// command. `kill` takes the processes along that a PostgreSQL server has for its connections, and says `done` once
/// they are gone.
const SCRIPT: &str = r#"
folder=$1 last=$2 kept=$3
shift 3
begin() { "$@" >>"$folder/server.log" 2>&1 </dev/null & server=$!; }
begin "$@"
while read -r word; do
    case $word in
        kill)
            children=$(cat "/proc/$server/task/$server/children")
            # shellcheck disable=SC2086
            kill -KILL "$server" $children
            wait "$server"
            echo done ;;
        pause) kill -STOP "$server"; echo done ;;
        resume) kill -CONT "$server"; echo done ;;
        start) begin "$@"; echo done ;;
    esac
done
kill -CONT "$server"
kill "-$last" "$server"
wait "$server"
[ "$kept" = true ] || rm -rf "$folder"
"#;

pub(crate) struct Keeper {
    // Not waited for unless told to: it ends after this process does.
    shell: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts a server in its folder, which stays after it if it is kept; the signal ends it.
    pub(crate) fn start<S: AsRef<OsStr>>(
        folder: &Path,
        is_kept: bool,
        last_signal: &str,
        command: &[S],
    ) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(folder)
            .arg(last_signal)
            .arg(is_kept.to_string())
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; this one shall outlive them by a moment.
            .process_group_of_its_own()
            .spawn()
            .context("cannot run /bin/sh")?;
        let (Some(orders), Some(answers)) = (shell.stdin.take(), shell.stdout.take()) else { bail!("no pipes") };
        Ok(Self { shell, orders, answers: BufReader::new(answers) })
    }

    /// The shell's process, whose child the server is.
    pub(crate) fn process(&self) -> u32 {
        self.shell.id()
    }

    /// Ends the server, and waits until it is gone.
    pub(crate) fn end(self) -> Result<()> {
        let Self { mut shell, orders, answers } = self;
        drop((orders, answers));
        shell.wait().context("the keeper of a server cannot be waited for").map(drop)
    }

    /// Has an order carried out: `kill`, `start`, `pause` or `resume`.
    pub(crate) fn order(&mut self, word: &str) -> Result<()> {
        writeln!(self.orders, "{word}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.trim() != "done" {
            bail!("the keeper of a server is gone");
        }
        Ok(())
    }
}

trait ProcessGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl ProcessGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}
