//! Many sessions in one process, in a debug build and few of them: every log-in, message and answer is checked.

use std::process::Command;

#[test]
fn sessions_without_sockets_are_held_talk_and_answer() {
    let done = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["memory-sessions", "--count", "200", "--secs", "2"])
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let (found, log) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{found}{log}");
    assert!(found.contains("failures: 0"), "{found}{log}");
    assert!(found.contains("log-ins: 200 in"), "{found}{log}");
}
