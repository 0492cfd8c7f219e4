//! What opens an account, apart from its row: backups keep it elsewhere, so that it can be destroyed in all of them.

use std::cmp::Ordering;

use super::{
    Record,
    columns::{Column, Kind, Table},
};
use crate::Value;

/// An account's name and wrapped key. No database has such a table.
pub static ACCOUNT_KEYS: Table = Table::new(
    "account_keys",
    1,
    &[
        column("id", Kind::Int),
        column("created_at_ms", Kind::Int),
        column("localpart_hash", Kind::Blob),
        column("localpart", Kind::Blob),
        column("wrapped_key", Kind::Blob),
    ],
);

/// Those columns that stay in the row too: whose key it is, even where a restored database gives an id again.
const WHOSE: usize = 2;
/// What goes with the key when an account is deleted, for it is sealed with it.
const SEALED: [&str; 3] = ["credentials", "one_hash", "last_status"];

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, nullable: false }
}

fn opening() -> impl Iterator<Item = &'static str> {
    ACCOUNT_KEYS.columns.iter().skip(WHOSE).map(|column| column.name)
}

/// Takes name and key out of a row of `accounts`; `None` where they are gone, because the account is being deleted.
pub fn part_key(accounts: &Table, row: &mut Record) -> Option<Record> {
    let values = ACCOUNT_KEYS.columns.iter().map(|column| row.value(accounts, column.name).cloned());
    let key: Vec<Value> = values.collect::<Option<_>>()?;
    opening().for_each(|name| row.set(accounts, name, Value::Null));
    Record::fitting(&ACCOUNT_KEYS, key).ok()
}

/// Puts back what [`part_key`] took. Without it, or with that of another account, the row becomes what deleting an
/// account leaves of it first, and the answer is false.
pub fn join_key(accounts: &Table, row: &mut Record, key: Option<&Record>) -> bool {
    let whose = ACCOUNT_KEYS.columns.iter().take(WHOSE).map(|column| column.name);
    let own = |key: &&Record| whose.clone().all(|name| key.value(&ACCOUNT_KEYS, name) == row.value(accounts, name));
    let Some(key) = key.filter(own) else {
        SEALED.into_iter().chain(opening()).for_each(|name| row.set(accounts, name, Value::Null));
        row.set(accounts, "disabled", Value::Int(1));
        return false;
    };
    for name in opening() {
        row.set(accounts, name, key.value(&ACCOUNT_KEYS, name).cloned().unwrap_or(Value::Null));
    }
    true
}

/// Whether a key comes before, with or behind a row of `accounts`: both are in the order of ids.
pub fn compare_key(accounts: &Table, key: &Record, row: &Record) -> Ordering {
    super::copy::compare(key.key(&ACCOUNT_KEYS), row.key(accounts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::TABLES;

    fn account(id: i64, created_at_ms: i64) -> (&'static Table, Record) {
        let accounts = TABLES.last().unwrap();
        let value = |column: &Column| match (column.name, column.kind) {
            ("id", _) => Value::Int(id),
            ("created_at_ms", _) => Value::Int(created_at_ms),
            ("one_hash", _) => Value::Null,
            (_, Kind::Int) => Value::Int(0),
            (name, _) => Value::Blob(name.as_bytes().into()),
        };
        (accounts, Record::fitting(accounts, accounts.columns.iter().map(value).collect()).unwrap())
    }

    #[test]
    fn a_row_that_was_parted_and_joined_is_the_same() {
        let (accounts, whole) = account(7, 70);
        let mut row = whole.clone();
        let key = part_key(accounts, &mut row).unwrap();
        for name in ["localpart_hash", "localpart", "wrapped_key"] {
            assert_eq!(row.value(accounts, name), Some(&Value::Null));
        }
        assert_eq!(compare_key(accounts, &key, &row), Ordering::Equal);
        assert!(join_key(accounts, &mut row, Some(&key)));
        assert_eq!(row, whole);
    }

    #[test]
    fn a_row_without_its_key_is_a_deleted_account() {
        let (accounts, mut row) = account(7, 70);
        let (_, mut later) = account(7, 71);
        part_key(accounts, &mut row).unwrap();
        let of_another = part_key(accounts, &mut later);
        for key in [None, of_another.as_ref()] {
            let mut row = row.clone();
            assert!(!join_key(accounts, &mut row, key));
            assert_eq!(row.value(accounts, "credentials"), Some(&Value::Null));
            assert_eq!(row.value(accounts, "disabled"), Some(&Value::Int(1)));
            assert!(part_key(accounts, &mut row).is_none(), "there is nothing left to take");
        }
    }
}
