//! Filling, emptying and comparing whole tables.

use std::cmp::Ordering;

use super::{Pages, Record, TABLES, columns::Table};
use crate::{Db, Error, Fingerprint, Snapshot, Statement, Value, dialect::Dialect};

/// Writes rows that are not there yet, all or none of them; those that a new database begins with make way.
///
/// # Errors
/// When one is there, or the database cannot be written.
pub async fn insert(db: &Db, table: &'static Table, records: Vec<Record>) -> Result<(), Error> {
    let mut batch = Vec::with_capacity(records.len());
    for record in records {
        batch.extend(table.is_seeded().then(|| deleted(table, &record)));
        batch.push(inserted(table, record));
    }
    db.write(batch).await.map(drop)
}

fn inserted(table: &'static Table, record: Record) -> Statement {
    Statement::new(&table.statements().insert, record.into_values())
}

fn deleted(table: &'static Table, record: &Record) -> Statement {
    Statement::new(&table.statements().delete, record.key(table))
}

/// The name of a table that has rows, other than those that a new database begins with, if one has.
///
/// # Errors
/// When the database cannot be read.
pub async fn first_table_in_use(db: &Db) -> Result<Option<&'static str>, Error> {
    for table in TABLES.iter().filter(|table| !table.is_seeded()) {
        if db.query_one(Statement::new(&table.statements().any, [])).await?.is_some() {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// Whether `target` has no account, or one that is in `source` too: whether it can be an earlier copy.
///
/// # Errors
/// When one cannot be read.
pub async fn is_copy(source: &Snapshot, target: &Snapshot) -> Result<bool, Error> {
    // Accounts are copied last: rows without any are of a copy that broke off.
    let Some(table) = TABLES.last() else { return Ok(true) };
    let (mut here, mut there) = (Rows::of(table, source), Rows::of(table, target));
    let mut is_empty = true;
    while let Some(copied) = there.peek().await? {
        is_empty = false;
        let Some(account) = here.peek().await? else { return Ok(false) };
        let order = compare(account.key(table), copied.key(table));
        if order.is_eq() && account.value(table, "created_at_ms") == copied.value(table, "created_at_ms") {
            return Ok(true);
        }
        if order.is_le() {
            here.take();
        }
        if order.is_ge() {
            there.take();
        }
    }
    Ok(is_empty)
}

/// Removes every row of every table in bounded steps, accounts first: nobody shall log in to what is left of them. What
/// a new database begins with stays.
///
/// # Errors
/// When the database cannot be written.
pub async fn clear(db: &Db) -> Result<(), Error> {
    for table in TABLES.iter().rev().filter(|table| !table.is_seeded()) {
        loop {
            let page = Pages::of(table).next(&db.snapshot().await?).await?;
            if page.is_empty() {
                break;
            }
            db.write(page.iter().map(|record| deleted(table, record)).collect()).await?;
        }
    }
    Ok(())
}

/// The greatest id that an account ever had, so that no copy gives it to another one.
///
/// # Errors
/// When the database cannot be read.
pub async fn highest_account(snapshot: &Snapshot) -> Result<i64, Error> {
    let sql = match snapshot.dialect() {
        Dialect::Sqlite => "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'accounts'",
        Dialect::Postgres => {
            "SELECT COALESCE(last_value, 0) FROM pg_sequences
             WHERE schemaname = current_schema() AND sequencename = 'accounts_id_seq'"
        }
        // The next one.
        Dialect::Mysql => {
            "SELECT CAST(COALESCE(MAX(auto_increment), 1) - 1 AS SIGNED) FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_name = 'accounts'"
        }
    };
    snapshot.query_one(Statement::new(sql, [])).await?.map_or(Ok(0), |mut row| row.int())
}

/// Which master key opens what the snapshot has.
///
/// # Errors
/// When the database cannot be read.
pub async fn master_key(snapshot: &Snapshot) -> Result<Fingerprint, Error> {
    let row = snapshot.query_one(Statement::new("SELECT wrapped FROM deployment_keys WHERE id = 1", [])).await?;
    let wrapped = row.ok_or_else(|| Error::Corrupt("the deployment's key is missing".into()))?.blob()?;
    Fingerprint::of_wrapped(&wrapped).ok_or_else(|| Error::Corrupt("a wrapped key is too short".into()))
}

/// Gives new accounts only ids greater than `highest`. For a database that is being filled.
///
/// # Errors
/// When the database cannot be written.
pub async fn keep_accounts_past(db: &Db, highest: i64) -> Result<(), Error> {
    if highest <= 0 {
        return Ok(());
    }
    let batch = match db.dialect() {
        Dialect::Sqlite => vec![
            Statement::new("DELETE FROM sqlite_sequence WHERE name = 'accounts'", []),
            Statement::new("INSERT INTO sqlite_sequence (name, seq) VALUES ('accounts', ?)", [highest.into()]),
        ],
        Dialect::Postgres => {
            let sql = "SELECT setval(pg_get_serial_sequence('accounts', 'id'), ?)";
            vec![Statement::new(sql, [highest.into()])]
        }
        // It counts on from the greatest id that was ever inserted, also when that row is gone again.
        Dialect::Mysql => vec![
            Statement::new(
                "INSERT IGNORE INTO accounts (id, created_at_ms, roster_version) VALUES (?, 0, 0)",
                [highest.into()],
            ),
            Statement::new(
                "DELETE FROM accounts WHERE id = ? AND created_at_ms = 0 AND roster_version = 0",
                [highest.into()],
            ),
        ],
    };
    db.write(batch).await.map(drop)
}

/// Makes a table of `to` what it is in `from`, writing only what differs, and returns how many rows that were. Both are
/// read once, in the order of the key; `into` is a snapshot of `to`.
///
/// # Errors
/// When one cannot be read or the other not written. What was written until then stays.
pub async fn merge(from: &Snapshot, into: &Snapshot, to: &Db, table: &'static Table) -> Result<u64, Error> {
    let (mut wanted, mut present) = (Rows::of(table, from), Rows::of(table, into));
    let mut written: u64 = 0;
    let mut batch = Vec::new();
    loop {
        let order = match (wanted.peek().await?, present.peek().await?) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(new), Some(old)) => compare(new.key(table), old.key(table)),
        };
        let new = if order.is_le() { wanted.take() } else { None };
        let old = if order.is_ge() { present.take() } else { None };
        if new == old {
            continue;
        }
        batch.extend(old.map(|old| deleted(table, &old)));
        batch.extend(new.map(|new| inserted(table, new)));
        written = written.saturating_add(1);
        if batch.len() >= BATCH_STATEMENTS {
            to.write(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.is_empty() {
        to.write(batch).await?;
    }
    Ok(written)
}

/// Statements of a merge that are committed together.
const BATCH_STATEMENTS: usize = 256;

/// The rows of a table, one by one.
struct Rows<'a> {
    snapshot: &'a Snapshot,
    pages: Pages,
    page: std::iter::Peekable<std::vec::IntoIter<Record>>,
}

impl<'a> Rows<'a> {
    fn of(table: &'static Table, snapshot: &'a Snapshot) -> Self {
        Self { snapshot, pages: Pages::of(table), page: Vec::new().into_iter().peekable() }
    }

    async fn peek(&mut self) -> Result<Option<&Record>, Error> {
        if self.page.peek().is_none() {
            self.page = self.pages.next(self.snapshot).await?.into_iter().peekable();
        }
        Ok(self.page.peek())
    }

    fn take(&mut self) -> Option<Record> {
        self.page.next()
    }
}

/// The order of keys as every database sorts them: numbers by size, text and blobs by bytes.
pub(super) fn compare(left: &[Value], right: &[Value]) -> Ordering {
    let pairs = left.iter().zip(right);
    pairs.map(|(left, right)| compare_values(left, right)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        // A key has no null, and a column one type.
        _ => Ordering::Equal,
    }
}
