//! Writes, group commit and queries.

use std::time::Instant;

use bytes::Bytes;
use storage::{Db, Error, Statement, Value, dialect::Dialect};

async fn table(db: &Db) {
    db.execute(Statement::new("CREATE TABLE things (number INTEGER PRIMARY KEY, name TEXT NOT NULL)", []))
        .await
        .unwrap();
}

fn thing(number: i64) -> Statement {
    Statement::new("INSERT INTO things (number, name) VALUES (?, ?)", [number.into(), "thing".into()])
}

async fn numbers(db: &Db) -> Vec<i64> {
    let rows = db.query(Statement::new("SELECT number FROM things ORDER BY number", [])).await.unwrap();
    rows.into_iter().map(|mut row| row.int().unwrap()).collect()
}

pub async fn a_query_sees_every_awaited_write(db: Db) {
    table(&db).await;
    for number in 0..50 {
        db.execute(thing(number)).await.unwrap();
        assert_eq!(numbers(&db).await.last(), Some(&number));
    }
}

pub async fn a_batch_is_stored_as_a_whole_or_not_at_all(db: Db) {
    table(&db).await;
    db.write(vec![thing(1), thing(2)]).await.unwrap();
    let error = db.write(vec![thing(3), thing(2), thing(4)]).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert_eq!(numbers(&db).await, [1, 2]);
}

pub async fn a_failing_batch_hurts_no_neighbour(db: Db) {
    table(&db).await;
    db.execute(thing(0)).await.unwrap();
    let writes: Vec<_> = (1..=60)
        .map(|number| {
            let db = db.clone();
            // Every third is refused, alone or in a batch.
            let batch = match number % 6 {
                0 => vec![thing(0)],
                3 => vec![thing(number), thing(0)],
                _ => vec![thing(number)],
            };
            tokio::spawn(async move { (number, db.write(batch).await) })
        })
        .collect();
    let mut stored = vec![0];
    for write in writes {
        let (number, result) = write.await.unwrap();
        assert_eq!(result.is_ok(), number % 3 != 0, "{number}: {result:?}");
        stored.extend(result.is_ok().then_some(number));
    }
    assert_eq!(numbers(&db).await, stored);
    assert_eq!(db.stats().snapshot().batches_failed, 20);
}

pub async fn many_writers_share_few_commits(db: Db) {
    table(&db).await;
    let before = db.stats().snapshot();
    let writes: Vec<_> = (0..2000)
        .map(|number| {
            let db = db.clone();
            tokio::spawn(async move { db.execute(thing(number)).await.unwrap() })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    let after = db.stats().snapshot();
    assert_eq!(after.batches - before.batches, 2000);
    let commits = after.groups - before.groups;
    assert!(commits < 500, "{commits} commits for 2000 writes");
    assert!(after.group_batches_max > 4, "{after:?}");
}

pub async fn a_submitted_batch_keeps_its_place_and_comes_with_the_next_write(db: Db) {
    table(&db).await;
    let commits = db.stats().snapshot().groups;
    db.submit(vec![thing(1)]).await.unwrap();
    db.submit(vec![Statement::new("DELETE FROM things", [])]).await.unwrap();
    db.execute(thing(2)).await.unwrap();
    assert_eq!(numbers(&db).await, [2]);
    // Even where the machine paused this task between two of the three.
    assert!(db.stats().snapshot().groups - commits <= 3);
}

pub async fn a_submitted_batch_is_written_even_if_nobody_writes_after_it(db: Db) {
    table(&db).await;
    db.submit(vec![thing(1)]).await.unwrap();
    let started = Instant::now();
    while numbers(&db).await.is_empty() {
        assert!(started.elapsed().as_secs() < 10, "never written");
    }
}

pub async fn a_statement_returns_what_it_wrote(db: Db) {
    table(&db).await;
    let insert = "INSERT INTO things (number, name) VALUES (?, ?), (?, ?) RETURNING number, name";
    let params: [Value; 4] = [Value::Int(1), "a".into(), Value::Int(2), "b".into()];
    let outcome = db.execute(Statement::new(insert, params)).await.unwrap();
    assert_eq!(outcome.rows_affected, 2);
    assert_eq!(outcome.rows.len(), 2);
    let mut row = outcome.into_row().unwrap();
    assert_eq!((row.int().unwrap(), row.text().unwrap()), (1, "a".to_owned()));
    assert!(row.int().is_err());
}

pub async fn a_mistaken_statement_is_an_error_and_nothing_else(db: Db) {
    table(&db).await;
    assert!(matches!(db.execute(Statement::new("NONSENSE", [])).await, Err(Error::Statement(_))));
    assert!(matches!(db.query(Statement::new("SELECT ?", [])).await, Err(Error::Statement(_))));
    assert!(db.query(thing(1)).await.is_err(), "a query may only read");
    let nameless = Statement::new("INSERT INTO things (number, name) VALUES (?, ?)", [Value::Int(1), Value::Null]);
    assert!(db.execute(nameless).await.unwrap_err().is_constraint());
    let mut row = db.query_one(Statement::new("SELECT 'text'", [])).await.unwrap().unwrap();
    assert!(row.int().unwrap_err().is_corrupt());
    db.execute(thing(1)).await.unwrap();
    assert_eq!(numbers(&db).await, [1]);
}

pub async fn after_close_everything_is_unavailable(db: Db) {
    table(&db).await;
    db.submit(vec![thing(1)]).await.unwrap();
    db.close().await;
    assert_eq!(db.execute(thing(2)).await.unwrap_err(), Error::Unavailable);
    assert_eq!(db.submit(vec![thing(2)]).await.unwrap_err(), Error::Unavailable);
    assert_eq!(db.query(thing(2)).await.unwrap_err(), Error::Unavailable);
}

pub async fn every_value_comes_back_as_it_was(db: Db) {
    let create = match db.dialect() {
        Dialect::Sqlite => {
            "CREATE TABLE values_of (id INTEGER PRIMARY KEY, number INTEGER, text TEXT, bytes BLOB) STRICT"
        }
        Dialect::Postgres => "CREATE TABLE values_of (id BIGINT PRIMARY KEY, number BIGINT, text TEXT, bytes BYTEA)",
        Dialect::Mysql => {
            "CREATE TABLE values_of (id BIGINT PRIMARY KEY, number BIGINT, text MEDIUMTEXT, bytes MEDIUMBLOB)"
        }
    };
    db.execute(Statement::new(create, [])).await.unwrap();
    let everything = || Bytes::from_iter(0..=255_u8);
    let big = "🐦'\"\\%\n".repeat(30_000);
    let rows: Vec<[Value; 3]> = vec![
        [Value::Null, Value::Null, Value::Null],
        [Value::Int(i64::MIN), "".into(), Bytes::new().into()],
        [Value::Int(i64::MAX), "Ünïcödé 🐦".into(), everything().into()],
        [Value::Int(0), big.clone().into(), Bytes::from(big.into_bytes()).into()],
        [Value::Int(-1), "ends with a space ".into(), Bytes::from_static(b"\0").into()],
    ];
    let insert = "INSERT INTO values_of (id, number, text, bytes) VALUES (?, ?, ?, ?)";
    let batch = rows.iter().zip(0_i64..).map(|(row, id)| {
        let [number, text, bytes] = row.clone();
        Statement::new(insert, [id.into(), number, text, bytes])
    });
    // Alone and all at once: inserts that come together may go together.
    let batch: Vec<_> = batch.collect();
    db.write(batch.clone()).await.unwrap();
    db.execute(Statement::new("DELETE FROM values_of WHERE id >= 0", [])).await.unwrap();
    for statement in batch {
        db.execute(statement).await.unwrap();
    }
    let select = Statement::new("SELECT number, text, bytes FROM values_of ORDER BY id", []);
    let found = db.query(select).await.unwrap();
    assert_eq!(found.len(), rows.len());
    for (mut found, [number, text, bytes]) in found.into_iter().zip(rows) {
        assert_eq!(Value::from(found.opt_int().unwrap()), number);
        assert!(Value::from(found.opt_text().unwrap()) == text);
        assert!(Value::from(found.opt_blob().unwrap()) == bytes);
    }
    let sum = Statement::new("SELECT SUM(id), COUNT(*), MAX(number) FROM values_of", []);
    let mut sum = db.query_one(sum).await.unwrap().unwrap();
    assert_eq!((sum.int().unwrap(), sum.int().unwrap(), sum.int().unwrap()), (10, 5, i64::MAX));
}

pub async fn inserts_and_deletions_that_come_together_keep_their_order(db: Db) {
    table(&db).await;
    let remove = |number: i64| Statement::new("DELETE FROM things WHERE number = ?", [number.into()]);
    for round in 0..20 {
        // Submitted ones may be folded with each other, and must not overtake what came before.
        db.submit((0..40).map(thing).collect()).await.unwrap();
        db.submit((0..40).map(remove).collect()).await.unwrap();
        db.submit(vec![thing(round)]).await.unwrap();
        db.submit(vec![remove(round), thing(100 + round)]).await.unwrap();
        let outcome = db.execute(remove(100 + round)).await.unwrap();
        assert_eq!(outcome.rows_affected, 1, "{round}");
        assert_eq!(db.execute(remove(round)).await.unwrap().rows_affected, 0);
        assert_eq!(numbers(&db).await, Vec::<i64>::new());
    }
}
