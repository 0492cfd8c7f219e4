//! The load generator against a debug build: every kind of work, little of each. It checks what it gets, so this finds
//! messages that are lost, doubled or out of order, short pages and missing archive entries.

use std::process::Command;

use anyhow::{Result, ensure};

#[test]
fn every_kind_of_work_is_done_without_a_mistake() {
    let table = printed(&["compare", "--quick", "--only", "servers"]).unwrap();
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 2 + 17, "a row is missing:\n{table}");
}

#[test]
fn the_work_is_done_on_every_database() {
    let table = printed(&["compare", "--quick", "--only", "databases"]).unwrap();
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 2 + 6, "a row is missing:\n{table}");
    assert!(!table.replace("– |\n", "|\n").contains('–'), "a database is missing:\n{table}");
}

#[test]
fn an_archive_is_filled_read_and_purged_while_messages_are_sent() {
    for database in ["sqlite", "postgres", "mariadb"] {
        let dir = std::env::temp_dir().join(format!("whimbrel-archive-{}-{database}", std::process::id()));
        let path = dir.to_str().unwrap();
        let mut args = vec!["archive", "--database", database, "--dir", path, "--cache-mib", "64"];
        args.extend(["--count", "60000", "--accounts", "100", "--pages", "50", "--per-sec", "100", "--secs", "1"]);
        let said = printed(&args).unwrap();
        // Once more on what was filled.
        let again = printed(&args).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(said.matches("p99").count(), 8, "{said}");
        assert_eq!(again.matches("p99").count(), 8, "{again}");
    }
}

fn printed(args: &[&str]) -> Result<String> {
    let whimbreld = testkit::binary()?;
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    let done = bench.args(args).env("WHIMBRELD", whimbreld).env("RUST_BACKTRACE", "0").output()?;
    let (out, log) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "{out}{log}");
    Ok(out.into_owned())
}
