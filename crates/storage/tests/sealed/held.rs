//! An account whose creation has begun and is not committed when the master key is rotated by another process: the
//! rotation waits for it, or its key would stay under the old one.

use std::{path::Path, time::Duration};

use mysql_async::prelude::Queryable;
use services::Kind;
use storage::{Db, MasterKeys, Options, accounts, rotate};

use crate::{
    keys,
    known::{NOW_MS, credentials},
};

const DEADLINE: Duration = Duration::from_secs(9);
/// Who waits for a row is looked up anew only when nobody has asked for a tenth of a second (InnoDB).
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// A connection that keeps everybody from inserting accounts, and sees who waits.
enum Holding {
    Postgres(tokio_postgres::Client),
    Mariadb(mysql_async::Conn),
}

impl Holding {
    async fn connect(kind: Kind, url: &str) -> Self {
        match kind {
            Kind::Postgres => {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                Self::Postgres(client)
            }
            Kind::Mariadb => Self::Mariadb(mysql_async::Conn::from_url(url).await.unwrap()),
        }
    }

    async fn hold(&mut self) {
        match self {
            Self::Postgres(client) => client.batch_execute("BEGIN; LOCK TABLE accounts IN SHARE MODE").await.unwrap(),
            Self::Mariadb(conn) => conn.query_drop("LOCK TABLES accounts READ").await.unwrap(),
        }
    }

    async fn let_go(&mut self) {
        match self {
            Self::Postgres(client) => client.batch_execute("COMMIT").await.unwrap(),
            Self::Mariadb(conn) => conn.query_drop("UNLOCK TABLES").await.unwrap(),
        }
    }

    /// Returns once so many wait for a lock.
    async fn until_waiting(&mut self, wanted: i64) {
        let waiting = async {
            while self.waiting().await < wanted {
                tokio::time::sleep(LOOK_EVERY).await; // tidy: allow sleep, one step of a bounded poll
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{wanted} do not wait"));
    }

    async fn waiting(&mut self) -> i64 {
        match self {
            Self::Postgres(client) => {
                let sql = "SELECT COUNT(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
                client.query_one(sql, &[]).await.unwrap().get(0)
            }
            Self::Mariadb(conn) => {
                let sql = "SELECT (SELECT COUNT(*) FROM information_schema.processlist
                                   WHERE db = DATABASE() AND state LIKE 'Waiting for%lock')
                                + (SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT')";
                conn.query_first(sql).await.unwrap().unwrap()
            }
        }
    }
}

async fn a_rotation_waits_for_an_account_that_is_being_created(kind: Kind) {
    let url = kind.shared().unwrap().database().unwrap().url();
    let open = async |keys: MasterKeys| Db::open(&url, Path::new("/"), &Options::new(keys)).await.unwrap();
    let both = keys(1).after(&keys(2));
    let (server, tool) = (open(keys(1)).await, open(both.clone()).await);
    // Its statements are prepared from now on: preparing them waits for locks too, but holds none.
    accounts::create(&server, "bob", &credentials(), NOW_MS).await.unwrap().unwrap();
    let mut holding = Holding::connect(kind, &url).await;
    holding.hold().await;
    let creating = tokio::spawn(async move {
        accounts::create(&server, "alice", &credentials(), NOW_MS).await.unwrap().unwrap();
        server.close().await;
    });
    holding.until_waiting(1).await;
    let mut rotating = tokio::spawn(async move {
        rotate(&tool, &both).await.unwrap();
        tool.close().await;
    });
    tokio::select! {
        () = holding.until_waiting(2) => {}
        done = &mut rotating => panic!("it did not wait for the account: {done:?}"),
    }
    holding.let_go().await;
    creating.await.unwrap();
    rotating.await.unwrap();

    let db = open(keys(2)).await;
    assert!(accounts::by_localpart(&db, "alice").await.unwrap().is_some(), "she opens with the new key alone");
    assert!(accounts::by_localpart(&db, "bob").await.unwrap().is_some());
    db.close().await;
}

#[tokio::test]
async fn a_rotation_waits_for_an_account_that_is_being_created_on_postgresql() {
    a_rotation_waits_for_an_account_that_is_being_created(Kind::Postgres).await;
}

#[tokio::test]
async fn a_rotation_waits_for_an_account_that_is_being_created_on_mariadb() {
    a_rotation_waits_for_an_account_that_is_being_created(Kind::Mariadb).await;
}
