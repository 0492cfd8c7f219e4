//! Every query of the mailbox must find its rows through an index, whatever the
//! filter: checked against each database's own plan.

mod servers;

use super::{
    by_ids,
    page::{Filter, Span, WithHash, select, select_count},
    purge,
};
use crate::{
    AccountId, ArchiveId, Db, MasterKeys, Options, Statement, Value, accounts::MAILBOXES, seal::Hash, undelivered,
};

async fn plan(db: &Db, statement: Statement) -> String {
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql).leak();
    let rows = db.query(Statement::new(sql, statement.params)).await.unwrap();
    let steps = rows.into_iter().map(|mut row| {
        let (_id, _parent, _unused) = (row.int().unwrap(), row.int().unwrap(), row.int().unwrap());
        row.text().unwrap()
    });
    steps.collect::<Vec<_>>().join("; ")
}

/// The plan does not depend on the parameters' values.
fn ones(count: usize) -> Vec<Value> {
    vec![Value::Int(1); count]
}

/// An owner, a span, a conversation with somebody, and with one device of his.
fn subjects() -> (AccountId, Span, WithHash, WithHash) {
    let bare = WithHash { bare: Hash([1; 16]), full: None };
    (AccountId(1), Span::of(&Filter::default()), bare, WithHash { full: Some(Hash([2; 16])), ..bare })
}

#[tokio::test]
async fn each_query_uses_its_index_and_sorts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open("sqlite:plans.db", dir.path(), &Options::new(MasterKeys::one([1; 32]).unwrap())).await.unwrap();
    let (owner, everything, bare, full) = subjects();
    let mut expected = vec![
        (select_count(owner, None, everything), "COVERING INDEX archive_by_id (owner=? AND id>? AND id<?)"),
        (
            select_count(owner, Some(bare), everything),
            "COVERING INDEX archive_by_peer (owner=? AND peer_hash=? AND id>? AND id<?)",
        ),
        (
            select_count(owner, Some(full), everything),
            "INDEX archive_by_peer (owner=? AND peer_hash=? AND id>? AND id<?)",
        ),
        (Statement::new(super::EXISTS, ones(2)), "COVERING INDEX archive_by_id (owner=? AND id=?)"),
        (Statement::new(super::FIRST, ones(1)), "COVERING INDEX archive_by_id (owner=?)"),
        (Statement::new(super::LAST, ones(1)), "COVERING INDEX archive_by_id (owner=?)"),
        (Statement::new(super::MARK, ones(2)), "archive_mark USING INTEGER PRIMARY KEY (rowid=?)"),
        (Statement::new(super::MARKED, []), "archive_mark USING INTEGER PRIMARY KEY (rowid=?)"),
        (by_ids::select(by_ids::KEYS, owner, &[ArchiveId::MIN]), "INDEX archive_by_id (owner=? AND id=?)"),
        (by_ids::select(by_ids::MESSAGES, owner, &[ArchiveId::MIN]), "INDEX archive_by_id (owner=? AND id=?)"),
        (Statement::new(purge::STEP, ones(4)), "INDEX archive_by_id (owner=? AND id>? AND id<?)"),
        (Statement::new(purge::DELETE, ones(3)), "INDEX archive_by_id (owner=? AND id>? AND id<?)"),
        (Statement::new(purge::NEXT_OWNER, ones(2)), "INDEX archive_by_id (owner=? AND id<?)"),
        (Statement::new(undelivered::PAGE, ones(3)), "SEARCH u USING PRIMARY KEY (owner=? AND id>?)"),
        (Statement::new(undelivered::CLEAR_ARCHIVED, ones(2)), "PRIMARY KEY (owner=? AND id<?)"),
        (Statement::new(undelivered::COUNT, ones(1)), "PRIMARY KEY (owner=?)"),
    ];
    let [pointer, transient] = undelivered::delete(owner, ArchiveId::MIN);
    expected.push((pointer, "undelivered USING PRIMARY KEY (owner=? AND id=?)"));
    expected.push((transient, "INDEX transient_by_id (owner=? AND id=?)"));
    for (mailbox, index) in MAILBOXES.iter().zip(["archive_by_id", "transient_by_id", "PRIMARY KEY"]) {
        expected.push((Statement::new(mailbox.step, ones(2)), index));
        expected.push((Statement::new(mailbox.delete, ones(2)), index));
    }
    for backwards in [false, true] {
        for (with, index) in [
            (None, "INDEX archive_by_id (owner=? AND id>? AND id<?)"),
            (Some(bare), "INDEX archive_by_peer (owner=? AND peer_hash=? AND id>? AND id<?)"),
            (Some(full), "INDEX archive_by_peer (owner=? AND peer_hash=? AND id>? AND id<?)"),
        ] {
            expected.push((select(owner, with, everything, backwards, 10), index));
        }
    }
    for (statement, index) in expected {
        let sql = statement.sql;
        let plan = plan(&db, statement).await;
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
    }
}
