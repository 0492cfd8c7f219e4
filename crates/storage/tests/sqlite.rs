//! What only SQLite does: errors at open, a full disk, a failing commit, a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use storage::{Db, Error, MasterKeys, Options, Statement};

const URL: &str = "sqlite:whimbrel.db";

fn options() -> Options {
    Options::new(MasterKeys::one([1; 32]).unwrap())
}

async fn open(dir: &Path) -> Db {
    Db::open(URL, dir, &options()).await.unwrap()
}

async fn refusal(url: &str, dir: &Path) -> String {
    Db::open(url, dir, &options()).await.err().unwrap().to_string()
}

async fn count(db: &Db) -> i64 {
    db.query_one(Statement::new("SELECT COUNT(*) FROM things", [])).await.unwrap().unwrap().int().unwrap()
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "Dear database, you are none. ".repeat(100)).unwrap();
    let secret = refusal("oracle://user:secret@host/db", dir.path()).await;
    assert!(secret.contains("\"oracle\"") && !secret.contains("secret"), "{secret}");
    for (refusal, part) in [
        (refusal("sqlite:letter.txt", dir.path()).await, "not a database"),
        (refusal("sqlite:missing/whimbrel.db", dir.path()).await, "No such file or directory"),
        (refusal("sqlite:", dir.path()).await, "directory"),
    ] {
        assert!(refusal.contains(part), "{refusal}");
        assert!(refusal.starts_with("cannot open ") && refusal.lines().count() == 1, "{refusal}");
    }
}

#[tokio::test]
async fn a_database_from_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    db.execute(Statement::new("INSERT INTO migrations (version, name) VALUES (999, 'future')", [])).await.unwrap();
    db.close().await;
    assert!(refusal(URL, dir.path()).await.contains("its schema is version 999"));
}

#[tokio::test]
async fn a_database_that_is_filled_half_is_refused_but_by_who_fills_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    storage::tables::begin_filling(&db, "backup restore").await.unwrap();
    db.close().await;
    let refused = refusal(URL, dir.path()).await;
    assert!(refused.ends_with("`whimbreld backup restore` has not filled it to the end: run that again"), "{refused}");
    let options = Options { filling: true, ..options() };
    let db = Db::open(URL, dir.path(), &options).await.unwrap();
    storage::tables::end_filling(&db).await.unwrap();
    db.close().await;
    open(dir.path()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _db = open(dir.path()).await;
    for name in ["whimbrel.db", "whimbrel.db-wal"] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(URL, dir.path(), &Options { pages_max: Some(100), ..options() }).await.unwrap();
    db.execute(Statement::new("CREATE TABLE things (bytes BLOB NOT NULL) STRICT", [])).await.unwrap();
    let thing = || Statement::new("INSERT INTO things (bytes) VALUES (?)", [Bytes::from(vec![0; 10_000]).into()]);
    let mut stored = 0;
    let error = loop {
        match db.execute(thing()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::Full);
    assert!(error.is_full() && error.is_temporary());
    assert!(db.write(vec![thing(), thing()]).await.unwrap_err().is_full());
    assert_eq!(count(&db).await, stored);
    db.execute(Statement::new("DELETE FROM things", [])).await.unwrap();
    db.execute(thing()).await.unwrap();
    assert_eq!(count(&db).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_fails_for_everybody_in_it_and_the_next_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    // A deferred reference is checked by COMMIT itself.
    let tables = [
        "CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT",
        "CREATE TABLE things (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
    ];
    db.write(tables.map(|sql| Statement::new(sql, [])).into()).await.unwrap();
    let thing = |parent: Option<i64>| Statement::new("INSERT INTO things (parent) VALUES (?)", [parent.into()]);
    // Submitted batches are held back, so the write shares their commit.
    db.submit(vec![thing(None)]).await.unwrap();
    assert!(db.execute(thing(Some(1))).await.unwrap_err().is_constraint());
    let before = db.stats().snapshot();
    assert_eq!(before.groups_failed, 1);
    assert!(count(&db).await <= 1, "the submitted one, if the machine paused this task");

    let writes: Vec<_> = (0..100)
        .map(|number| {
            let (db, parent) = (db.clone(), (number == 50).then_some(1));
            tokio::spawn(async move { db.execute(thing(parent)).await })
        })
        .collect();
    let mut succeeded = 0;
    for write in writes {
        succeeded += i64::from(write.await.unwrap().is_ok());
    }
    assert!(succeeded < 100);
    db.execute(thing(None)).await.unwrap();
    let submitted = count(&db).await - succeeded - 1;
    assert!((0..=1).contains(&submitted), "what was refused was stored, or the reverse: {submitted}");
    assert_eq!(db.stats().snapshot().groups_failed, 2);
}

#[tokio::test]
async fn another_process_can_use_the_database_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (server, tool) = (open(dir.path()).await, open(dir.path()).await);
    server.execute(Statement::new("CREATE TABLE things (number INTEGER) STRICT", [])).await.unwrap();
    for _ in 0..20 {
        let insert = || Statement::new("INSERT INTO things (number) VALUES (1)", []);
        let (a, b) = tokio::join!(server.execute(insert()), tool.execute(insert()));
        a.and(b).unwrap();
    }
    assert_eq!((count(&server).await, count(&tool).await), (40, 40));
}

const CRASH_DIR: &str = "WHIMBREL_TEST_CRASH_DIR";

/// Not a test of its own: the process that the next one kills.
#[tokio::test]
async fn child_of_the_crash_test() {
    let Ok(dir) = std::env::var(CRASH_DIR) else { return };
    let db = open(Path::new(&dir)).await;
    db.execute(Statement::new("CREATE TABLE things (number INTEGER PRIMARY KEY) STRICT", [])).await.unwrap();
    for number in 0_i64.. {
        db.execute(Statement::new("INSERT INTO things (number) VALUES (?)", [number.into()])).await.unwrap();
        // Straight to the pipe: the harness would hold back what is printed.
        let mut out = std::io::stderr().lock();
        writeln!(out, "stored {number}").unwrap();
    }
}

#[tokio::test]
async fn after_a_kill_every_awaited_write_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_the_crash_test", "--nocapture"])
        .env(CRASH_DIR, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for line in lines.by_ref() {
        if line.unwrap() == "stored 100" {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let more =
        lines.filter_map(|line| line.unwrap().strip_prefix("stored ").map(|number| number.parse::<i64>().unwrap()));
    let last_awaited = more.last().unwrap_or(100);

    let db = open(dir.path()).await;
    let rows = db.query(Statement::new("SELECT number FROM things ORDER BY number", [])).await.unwrap();
    let numbers: Vec<_> = rows.into_iter().map(|mut row| row.int().unwrap()).collect();
    assert!(numbers.len() as i64 > last_awaited, "{} rows, {last_awaited} was awaited", numbers.len());
    assert_eq!(numbers, (0..numbers.len() as i64).collect::<Vec<_>>());
}
