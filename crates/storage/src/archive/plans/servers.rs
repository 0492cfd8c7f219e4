//! The plans of PostgreSQL and MariaDB, on a mailbox of some size: on a small one any plan is good.

use bytes::Bytes;
use services::Kind;

use super::super::{ARCHIVE, EXISTS, FIRST, LAST, UNDELIVERED};
use super::*;
use crate::{accounts::MAILBOXES, tables::TABLES};

const OWNERS: i64 = 250;
const MESSAGES: i64 = 160;
const PEERS: i64 = 10;

/// A statement, the index by which it finds its rows in PostgreSQL, and that in MariaDB.
type Expected = (Statement, &'static str, &'static str);

fn expected() -> Vec<Expected> {
    let (owner, everything, bare, full) = subjects();
    let (before, limit, offset) = (ArchiveId::first_at(1_000), 10_i64, 50_i64);
    let there = id(1, 1);
    let by_id = ("archive_08_pkey", "archive.PRIMARY");
    let by_peer = ("archive_08_owner_peer_hash_id_idx", "archive.archive_by_peer");
    let mut all = vec![
        // All of an archive is counted along the narrower index.
        (select_count(owner, None, everything), ("archive_08_pkey", "archive.archive_by_peer")),
        (select_count(owner, Some(bare), everything), by_peer),
        (select_count(owner, Some(full), everything), by_peer),
        (Statement::new(EXISTS, [owner.into(), there.into()]), by_id),
        (Statement::new(FIRST, [owner.into()]), by_id),
        (Statement::new(LAST, [owner.into()]), by_id),
        (by_ids::select(by_ids::KEYS, owner, &[there, there.next()]), by_id),
        (by_ids::select(by_ids::MESSAGES, owner, &[there, there.next()]), by_id),
        (Statement::new(purge::STEP, [owner.into(), ArchiveId::MIN.into(), before.into(), limit.into()]), by_id),
        (Statement::new(purge::DELETE, [owner.into(), ArchiveId::MIN.into(), there.into()]), by_id),
        (Statement::new(purge::NEXT_OWNER, [owner.into(), before.into()]), by_id),
        (Statement::new(undelivered::PAGE, [owner.into(), before.into(), limit.into()]), by_id),
        (
            Statement::new(undelivered::CLEAR_ARCHIVED, [owner.into(), before.into()]),
            ("undelivered_pkey", "undelivered.PRIMARY"),
        ),
        (Statement::new(undelivered::COUNT, [owner.into()]), ("undelivered_pkey", "undelivered.PRIMARY")),
    ];
    // Rows of transient come and go, and are few here: its own plan would say nothing.
    let [pointer, _transient] = undelivered::delete(owner, there);
    all.push((pointer, ("undelivered_pkey", "undelivered.PRIMARY")));
    let [archive, _transient, pointers] = &MAILBOXES;
    all.push((Statement::new(archive.step, [owner.into(), offset.into()]), by_id));
    all.push((Statement::new(archive.delete, [owner.into(), there.into()]), by_id));
    all.push((
        Statement::new(pointers.delete, [owner.into(), there.into()]),
        ("undelivered_pkey", "undelivered.PRIMARY"),
    ));
    // A copy goes through all accounts.
    let [_, from_an_owner, within_an_owner] = whole_table("archive");
    all.push((Statement::new(from_an_owner, [owner.into(), limit.into()]), ("archive_00_pkey", "archive.PRIMARY")));
    all.push((Statement::new(within_an_owner, [owner.into(), there.into(), limit.into()]), by_id));
    for backwards in [false, true] {
        for (with, index) in [(None, by_id), (Some(bare), by_peer), (Some(full), by_peer)] {
            all.push((select(owner, with, everything, backwards, 10), index));
        }
    }
    all.into_iter().map(|(statement, (postgres, mariadb))| (statement, postgres, mariadb)).collect()
}

/// The statements that read a whole table: from its beginning, and on from the first columns of its key.
fn whole_table(name: &str) -> [&'static str; 3] {
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let pages: Vec<&'static str> = table.statements().pages.iter().map(String::as_str).collect();
    pages.try_into().unwrap()
}

/// The id of an owner's message with this number.
fn id(owner: i64, number: i64) -> ArchiveId {
    ArchiveId::from_i64(ArchiveId::first_at(number).to_i64() + owner).unwrap()
}

/// Accounts, what each has in the archive, and some of it undelivered.
async fn filled(kind: Kind) -> Db {
    let url = kind.shared().unwrap().database().unwrap().url();
    let options = Options::new(MasterKeys::one([1; 32]).unwrap());
    let db = Db::open(&url, std::path::Path::new("/"), &options).await.unwrap();
    for owner in 1..=OWNERS {
        let account = "INSERT INTO accounts (id, localpart_hash, created_at_ms, roster_version) VALUES (?, ?, 0, 0)";
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&owner.to_be_bytes());
        let mut batch = vec![Statement::new(account, [owner.into(), Hash(hash).into()])];
        for number in 1..=MESSAGES {
            let id = id(owner, number);
            let peer = Hash([u8::try_from(number % PEERS).unwrap(); 16]);
            let sealed = Value::Blob(Bytes::from(vec![7; 300]));
            batch.push(Statement::new(
                ARCHIVE,
                [owner.into(), id.into(), peer.into(), Value::Null, Value::Int(0), sealed],
            ));
            if number % 10 == 0 {
                batch.push(Statement::new(UNDELIVERED, [owner.into(), id.into()]));
            }
        }
        db.write(batch).await.unwrap();
    }
    let analyze = match kind {
        Kind::Postgres => "ANALYZE accounts, archive, undelivered",
        Kind::Mariadb => "ANALYZE TABLE accounts, archive, undelivered",
    };
    db.execute(Statement::new(analyze, [])).await.unwrap();
    db
}

async fn explain(db: &Db, statement: Statement) -> Vec<crate::Row> {
    let sql = format!("EXPLAIN {}", statement.sql).leak();
    db.execute(Statement::new(sql, statement.params)).await.unwrap().rows
}

#[tokio::test]
async fn postgresql_uses_an_index_of_one_partition_and_sorts_nothing() {
    let db = filled(Kind::Postgres).await;
    for (statement, index, _) in expected() {
        let sql = statement.sql;
        let lines = explain(&db, statement).await.into_iter().map(|mut row| row.text().unwrap());
        let plan = lines.collect::<Vec<_>>().join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
        // But for what a list of ids finds. A `Merge Append` of partitions that are in order is no step that sorts.
        assert!(!plan.contains("Sort  (cost") || sql.contains(" IN ("), "{sql}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
    db.close().await;
}

#[tokio::test]
async fn mariadb_uses_an_index_and_sorts_nothing() {
    let db = filled(Kind::Mariadb).await;
    for (statement, _, index) in expected() {
        let sql = statement.sql;
        // id, select_type, table, type, possible_keys, key, key_len, ref, rows, Extra
        let steps = explain(&db, statement).await.into_iter().map(|mut row| {
            row.opt_int().unwrap();
            let mut texts = (1..10).map(|_| row.opt_text().unwrap().unwrap_or_default()).collect::<Vec<_>>();
            let extra = texts.pop().unwrap();
            let table = if texts[1] == "a" { "archive" } else { &texts[1] };
            format!("{table}.{} by {} ({extra})", texts[4], texts[2])
        });
        let plan = steps.collect::<Vec<_>>().join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{sql}\n{plan}");
        assert!(!plan.contains("by ALL") && !plan.contains("by index "), "{sql}\n{plan}");
    }
    db.close().await;
}
