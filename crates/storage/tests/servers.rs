//! What only a database server can do: be away, refuse, drop connections, be used by several nodes, speak TLS. Each
//! story runs on PostgreSQL and on MariaDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use services::{Database, DatabaseServer, Kind};
use storage::{Db, Error, MasterKeys, Options, Password, Statement};
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(60);

macro_rules! on_each_server {
    ($($story:ident)*) => {
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(services::Kind::Postgres).await;
            }
        )*}
        mod mariadb {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(services::Kind::Mariadb).await;
            }
        )*}
    };
}

on_each_server! {
    what_cannot_be_reached_says_why_in_one_line
    a_password_can_come_from_elsewhere
    tls_is_as_strict_as_the_url_says
    dropped_connections_cost_no_acknowledged_write_and_no_query
    a_killed_server_loses_nothing_acknowledged_and_is_used_again
    while_the_server_is_away_everybody_learns_at_once
    nodes_that_get_in_each_others_way_both_get_there
}

fn database(kind: Kind) -> Database {
    kind.shared().unwrap().database().unwrap()
}

fn options() -> Options {
    Options::new(MasterKeys::one([1; 32]).unwrap())
}

async fn open(url: &str) -> Result<Db, Error> {
    Db::open(url, Path::new("/"), &options()).await
}

async fn refusal(url: &str) -> String {
    let error = open(url).await.err().unwrap().to_string();
    assert!(error.lines().count() == 1 && error.starts_with("cannot open "), "{error}");
    assert!(!error.contains("open-sesame") && !error.contains("wrong-one"), "{error}");
    error
}

async fn things(db: &Db) {
    let sql = "CREATE TABLE things (number BIGINT NOT NULL PRIMARY KEY, count BIGINT NOT NULL)";
    db.execute(Statement::new(sql, [])).await.unwrap();
}

fn thing(number: i64) -> Statement {
    Statement::new("INSERT INTO things (number, count) VALUES (?, ?)", [number.into(), 0_i64.into()])
}

async fn numbers(db: &Db) -> Result<BTreeSet<i64>, Error> {
    let rows = db.query(Statement::new("SELECT number FROM things", [])).await?;
    rows.into_iter().map(|mut row| row.int()).collect()
}

async fn what_cannot_be_reached_says_why_in_one_line(kind: Kind) {
    let database = database(kind);
    let url = database.url();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scheme = url.split(':').next().unwrap();
    let nobody = refusal(&format!("{scheme}://whimbrel:open-sesame@127.0.0.1:{closed}/chat")).await;
    assert!(nobody.contains("nobody listens there") && nobody.contains(&closed.to_string()), "{nobody}");
    let wrong = refusal(&database.url_as("whimbrel", "wrong-one", "127.0.0.1")).await;
    assert!(wrong.contains("\"whimbrel\" was refused"), "{wrong}");
    let missing = refusal(&format!("{url}_not")).await;
    assert!(missing.contains("there is no database") && missing.contains("create it with"), "{missing}");
    let unresolved = refusal(&database.url_as("whimbrel", "open-sesame", "nowhere.invalid")).await;
    assert!(unresolved.contains("nowhere.invalid"), "{unresolved}");
}

async fn a_password_can_come_from_elsewhere(kind: Kind) {
    let url = database(kind).url_as("whimbrel", "wrong-one", "127.0.0.1");
    let password = Some(Password("open-sesame".into()));
    let db = Db::open(&url, Path::new("/"), &Options { password, ..options() }).await.unwrap();
    db.close().await;
}

async fn tls_is_as_strict_as_the_url_says(kind: Kind) {
    let database = database(kind);
    let (url, certificate) = (database.url(), database.certificate().display());
    for options in [
        "sslmode=require".to_owned(),
        format!("sslmode=require&sslrootcert={certificate}"),
        format!("sslmode=verify-full&sslrootcert={certificate}"),
    ] {
        let db = open(&format!("{url}?{options}")).await.unwrap();
        let server = kind.shared().unwrap();
        let encrypted = match kind {
            Kind::Postgres => {
                let sql = format!(
                    "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{}'
                     AND pid <> pg_backend_pid()",
                    database.name()
                );
                server.client(&database, &sql).unwrap().trim() == "t"
            }
            Kind::Mariadb => {
                let row = db.query_one(Statement::new("SHOW SESSION STATUS LIKE 'Ssl_cipher'", [])).await.unwrap();
                let mut row = row.unwrap();
                let (_name, cipher) = (row.text().unwrap(), row.text().unwrap());
                !cipher.is_empty()
            }
        };
        assert!(encrypted, "{options}");
        db.close().await;
    }
    let stranger = refusal(&format!("{url}?sslmode=verify-full")).await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let other_name = database.url_as("whimbrel", "open-sesame", "127.0.0.2");
    let other_name = refusal(&format!("{other_name}?sslmode=verify-full&sslrootcert={certificate}")).await;
    assert!(other_name.contains("127.0.0.2") || other_name.contains("nobody listens"), "{other_name}");
    let error = open(&format!("{url}?sslmode=verify-full&sslrootcert=/nowhere.pem")).await.err().unwrap().to_string();
    assert!(error.starts_with("storage url: sslrootcert: /nowhere.pem: "), "{error}");
}

/// Tasks that write and read all the time, and what was acknowledged to them.
struct Load {
    db: Db,
    stop: AtomicBool,
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    count: watch::Sender<usize>,
    queries_failed: AtomicI64,
}

impl Load {
    fn start(db: &Db) -> (Arc<Self>, Vec<tokio::task::JoinHandle<()>>) {
        let load = Arc::new(Self {
            db: db.clone(),
            stop: AtomicBool::new(false),
            next: AtomicI64::new(0),
            acknowledged: Mutex::default(),
            count: watch::Sender::new(0),
            queries_failed: AtomicI64::new(0),
        });
        let tasks = (0..8).map(|_| tokio::spawn(Arc::clone(&load).run())).collect();
        (load, tasks)
    }

    async fn run(self: Arc<Self>) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match self.db.execute(thing(number)).await {
                Ok(_) => {
                    self.acknowledged.lock().unwrap().insert(number);
                    self.count.send_modify(|count| *count += 1);
                }
                Err(error) => {
                    assert!(error.is_temporary(), "{error}");
                    tokio::task::yield_now().await;
                }
            }
            let read =
                self.db.query(Statement::new("SELECT number FROM things WHERE number = ?", [number.into()])).await;
            if let Err(error) = read {
                assert!(error.is_temporary(), "{error}");
                self.queries_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns once this many more were acknowledged.
    async fn goes_on(&self, more: usize) {
        let mut count = self.count.subscribe();
        let wanted = *count.borrow() + more;
        let reached = tokio::time::timeout(DEADLINE, count.wait_for(|count| *count >= wanted)).await;
        reached.expect("nothing is acknowledged any more").unwrap();
    }

    async fn end(&self, tasks: Vec<tokio::task::JoinHandle<()>>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        let stored = numbers(&self.db).await.unwrap();
        let acknowledged = self.acknowledged.lock().unwrap();
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
}

async fn dropped_connections_cost_no_acknowledged_write_and_no_query(kind: Kind) {
    let (server, database) = (kind.shared().unwrap(), database(kind));
    let db = open(&database.url()).await.unwrap();
    things(&db).await;
    let (load, tasks) = Load::start(&db);
    for _ in 0..5 {
        load.goes_on(50).await;
        server.drop_connections(&database).unwrap();
    }
    load.goes_on(50).await;
    load.end(tasks).await;
    assert_eq!(load.queries_failed.load(Ordering::Relaxed), 0, "a query can be asked again");
    db.close().await;
}

async fn a_killed_server_loses_nothing_acknowledged_and_is_used_again(kind: Kind) {
    let server = DatabaseServer::start(kind).unwrap();
    let db = open(&server.database().unwrap().url()).await.unwrap();
    things(&db).await;
    let (load, tasks) = Load::start(&db);
    for _ in 0..4 {
        load.goes_on(100).await;
        server.kill().unwrap();
        let started = Instant::now();
        while db.execute(Statement::new("DELETE FROM things WHERE number < 0", [])).await.is_ok() {
            assert!(started.elapsed() < DEADLINE, "it was killed");
        }
        server.restart().unwrap();
    }
    load.goes_on(100).await;
    load.end(tasks).await;
    db.close().await;
}

async fn while_the_server_is_away_everybody_learns_at_once(kind: Kind) {
    let server = DatabaseServer::start(kind).unwrap();
    let db = open(&server.database().unwrap().url()).await.unwrap();
    things(&db).await;
    db.execute(thing(1)).await.unwrap();
    server.kill().unwrap();
    assert!(db.execute(thing(2)).await.unwrap_err().is_temporary());
    let started = Instant::now();
    for number in 0..100 {
        assert_eq!(db.execute(thing(number)).await.unwrap_err(), Error::Unavailable);
        assert_eq!(numbers(&db).await.unwrap_err(), Error::Unavailable);
        db.submit(vec![thing(number)]).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    server.restart().unwrap();
    let started = Instant::now();
    while db.execute(thing(3)).await.is_err() {
        assert!(started.elapsed() < DEADLINE, "it is back");
        tokio::task::yield_now().await;
    }
    assert_eq!(numbers(&db).await.unwrap(), BTreeSet::from([1, 3]));
    db.close().await;
}

async fn nodes_that_get_in_each_others_way_both_get_there(kind: Kind) {
    let url = database(kind).url();
    let nodes = [open(&url).await.unwrap(), open(&url).await.unwrap()];
    things(&nodes[0]).await;
    nodes[0].write((0..10).map(thing).collect()).await.unwrap();
    const ROUNDS: i64 = 40;
    let tasks = nodes.clone().map(|db| {
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                // One goes up, the other down: sooner or later each holds what the other wants.
                let bump = |number: i64| {
                    Statement::new("UPDATE things SET count = count + 1 WHERE number = ?", [number.into()])
                };
                let mut batch: Vec<_> = (0..10).map(bump).collect();
                if round % 2 == 0 {
                    batch.reverse();
                }
                db.write(batch).await.unwrap();
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    let sum = Statement::new("SELECT SUM(count) FROM things", []);
    assert_eq!(nodes[0].query_one(sum).await.unwrap().unwrap().int().unwrap(), 2 * ROUNDS * 10);
    for db in nodes {
        db.close().await;
    }
}
