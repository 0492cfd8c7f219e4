//! Processes that open one empty database at once, and migrations that were interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use services::Kind;
use storage::{Db, MasterKeys, Options, Statement, accounts, migrations};

const URL: &str = "WHIMBREL_TEST_RACE_URL";
const DIR: &str = "WHIMBREL_TEST_RACE_DIR";
const PROCESSES: usize = 4;

fn options() -> Options {
    Options { readers: 1, remote_readers: 1, ..Options::new(MasterKeys::one([1; 32]).unwrap()) }
}

/// Not a test of its own: the process that the next ones start.
#[tokio::test]
async fn child_of_the_races() {
    let (Ok(url), Ok(dir)) = (std::env::var(URL), std::env::var(DIR)) else { return };
    let db = Db::open(&url, Path::new(&dir), &options()).await.unwrap();
    assert_eq!(accounts::count(&db).await.unwrap(), 0);
    db.close().await;
}

async fn race(url: &str, dir: &Path) {
    assert!(!migrations::pending(url, dir, None).await.unwrap().is_empty());
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_of_the_races", "--nocapture"])
            .envs([(URL, url), (DIR, dir.to_str().unwrap())])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(migrations::pending(url, dir, None).await.unwrap().is_empty());
    let db = Db::open(url, dir, &options()).await.unwrap();
    let keys = Statement::new("SELECT COUNT(*) FROM deployment_keys", []);
    assert_eq!(db.query_one(keys).await.unwrap().unwrap().int().unwrap(), 1);
    db.close().await;
}

#[tokio::test]
async fn processes_that_open_an_empty_sqlite_at_once_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    race("sqlite:whimbrel.db", dir.path()).await;
}

#[tokio::test]
async fn processes_that_open_an_empty_postgresql_at_once_take_turns() {
    race(&Kind::Postgres.shared().unwrap().database().unwrap().url(), Path::new("/")).await;
}

#[tokio::test]
async fn processes_that_open_an_empty_mariadb_at_once_take_turns() {
    race(&Kind::Mariadb.shared().unwrap().database().unwrap().url(), Path::new("/")).await;
}

/// MySQL keeps what a migration did before it was interrupted; wherever that was, the next start goes on.
#[tokio::test]
async fn a_migration_of_mariadb_that_was_interrupted_anywhere_goes_on() {
    let server = Kind::Mariadb.shared().unwrap();
    let url = server.database().unwrap().url();
    let first = migrations::pending(&url, Path::new("/"), None).await.unwrap().remove(0);
    let statements: Vec<_> = first.sql.split(";\n").filter(|sql| !sql.trim().is_empty()).collect();
    for done in [0, 1, 5, statements.len() - 1, statements.len()] {
        for noted in [done.saturating_sub(1), done] {
            let database = server.database().unwrap();
            let mut script = String::from(
                "CREATE TABLE migrations (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL);
                 CREATE TABLE migration_steps (version BIGINT NOT NULL, step BIGINT NOT NULL, PRIMARY KEY (version, step));",
            );
            statements[..done].iter().for_each(|sql| script.push_str(&format!("{sql};\n")));
            (1..=noted).for_each(|step| script.push_str(&format!("INSERT INTO migration_steps VALUES (1, {step});")));
            server.client(&database, &script).unwrap();
            let db = Db::open(&database.url(), Path::new("/"), &options()).await.unwrap();
            assert_eq!(accounts::count(&db).await.unwrap(), 0);
            let marks = Statement::new("SELECT COUNT(*) FROM archive_mark", []);
            assert_eq!(db.query_one(marks).await.unwrap().unwrap().int().unwrap(), 1);
            db.close().await;
        }
    }
}

#[tokio::test]
async fn a_server_with_a_newer_schema_is_refused_in_clear_words() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let url = kind.shared().unwrap().database().unwrap().url();
        let db = Db::open(&url, Path::new("/"), &options()).await.unwrap();
        db.execute(Statement::new("INSERT INTO migrations (version, name) VALUES (999, 'future')", [])).await.unwrap();
        db.close().await;
        let error = Db::open(&url, Path::new("/"), &options()).await.err().unwrap().to_string();
        assert!(error.contains("its schema is version 999"), "{error}");
        let other = Options::new(MasterKeys::one([2; 32]).unwrap());
        let url = kind.shared().unwrap().database().unwrap().url();
        Db::open(&url, Path::new("/"), &options()).await.unwrap().close().await;
        let error = Db::open(&url, Path::new("/"), &other).await.err().unwrap().to_string();
        assert!(error.contains("the master key does not open this database"), "{error}");
    }
}
