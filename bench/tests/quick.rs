//! The load generator against a debug build: every kind of work, little of each. It checks what it gets, so this finds
//! messages that are lost, doubled or out of order, short pages and missing archive entries.

use std::process::Command;

#[test]
fn every_kind_of_work_is_done_without_a_mistake() {
    let whimbreld = testkit::binary().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["compare", "--quick"])
        .env("WHIMBRELD", whimbreld)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let (table, log) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{log}");
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 2 + 17, "a row is missing:\n{table}{log}");
}
