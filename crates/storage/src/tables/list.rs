//! The list. A row of it is `TABLE(KEY COLUMNS; OTHER COLUMNS)`, a type with `?` may be null.

use super::columns::{Column, Kind, Table};

macro_rules! kind {
    (int) => {
        Kind::Int
    };
    (text) => {
        Kind::Text
    };
    (blob) => {
        Kind::Blob
    };
}

macro_rules! nullable {
    () => {
        false
    };
    (?) => {
        true
    };
}

macro_rules! tables {
    ($($table:ident ($($key:ident $key_kind:ident),+; $($column:ident $kind:ident $(($null:tt))?),*))*) => {
        {
            static LIST: [Table; [$(stringify!($table)),*].len()] = [$(Table::new(
                stringify!($table),
                [$(stringify!($key)),+].len(),
                &[
                    $(Column { name: stringify!($key), kind: kind!($key_kind), nullable: false },)+
                    $(Column { name: stringify!($column), kind: kind!($kind), nullable: nullable!($($null)?) },)*
                ],
            )),*];
            &LIST
        }
    };
}

/// Every table but `migrations`, which tells what the others look like, and `filling`, which is this database's alone. Accounts come last: where a copy broke off,
/// nobody can log in and take it for the whole.
pub static TABLES: &[Table] = tables! {
    archive (owner int, id int; peer_hash blob, full_hash blob(?), direction int, sealed blob)
    transient (owner int, id int; direction int, sealed blob)
    undelivered (owner int, id int;)
    archive_mark (one int; id int)
    roster (owner int, jid_hash blob; subscription int, ask int, approved int, in_roster int, version int, sealed blob)
    roster_removals (owner int, jid_hash blob; version int, sealed blob)
    archive_prefs (owner int; sealed blob)
    blocklist (owner int, jid_hash blob; sealed blob)
    private_xml (owner int, key_hash blob; bytes int, sealed blob)
    vcards (owner int; sealed blob)
    pubsub_nodes (owner int, node_hash blob; sealed blob)
    pubsub_items (owner int, item_hash blob; node_hash blob, seq int, bytes int, sealed blob)
    devices (owner int, id int; by_password int, first_seen_ms int, last_seen_ms int, sealed blob)
    device_tokens (owner int, device int, seed blob; mechanism text, issued_at_ms int, expires_at_ms int,
        used_at_ms int(?), last_count int)
    api_tokens (name_hash blob; token_hash blob, created_at_ms int, expires_at_ms int(?), used_at_ms int(?), sealed blob)
    invites (id int; token_hash blob, owner int, localpart_hash blob(?), registers int, uses_max int, uses int,
        created_at_ms int, expires_at_ms int, sealed blob)
    audit_log (id int; action text, via text, outcome text(?), sealed blob)
    uploads (name_hash blob; owner int, object blob, whole int, bytes int, at_ms int, expires_at_ms int, sealed blob)
    media (object blob; owner int, bytes int, parts blob, content_hash blob(?), removing int, sealed blob)
    deployment_keys (id int; master blob, wrapped blob)
    accounts (id int; localpart_hash blob(?), localpart blob(?), wrapped_key blob(?), credentials blob(?), disabled int,
        created_at_ms int, last_seen_ms int(?), last_status blob(?), roster_version int, one_hash int(?))
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::Connection;

    use super::*;
    use crate::{MasterKeys, migrations};

    /// Unique keys, each as the names of its columns.
    type Keys = Vec<Vec<String>>;

    /// What SQLite knows of a table: columns by name, and each unique key as the set of its columns.
    fn real(connection: &Connection, table: &str) -> (BTreeMap<String, (Kind, bool)>, Keys) {
        let mut columns = BTreeMap::new();
        let mut primary: Vec<(i64, String)> = Vec::new();
        let mut described = connection.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)").unwrap();
        let mut rows = described.query([table]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (name, kind, not_null, place): (String, String, bool, i64) =
                (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
            let kind = match kind.as_str() {
                "INTEGER" => Kind::Int,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Blob,
                other => panic!("{table}.{name} is {other}"),
            };
            if place > 0 {
                primary.push((place, name.clone()));
            }
            columns.insert(name, (kind, !not_null && place == 0));
        }
        primary.sort();
        let mut keys = vec![primary.into_iter().map(|(_, name)| name).collect()];
        let mut indexes = connection.prepare("SELECT name FROM pragma_index_list(?) WHERE \"unique\" = 1").unwrap();
        let indexes: Vec<String> = indexes.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for index in indexes {
            let mut of_index = connection.prepare("SELECT name FROM pragma_index_info(?) ORDER BY seqno").unwrap();
            keys.push(of_index.query_map([index], |row| row.get(0)).unwrap().map(Result::unwrap).collect());
        }
        (columns, keys)
    }

    #[test]
    fn the_list_is_the_schema() {
        let connection = Connection::open_in_memory().unwrap();
        migrations::sqlite::run(&connection, &MasterKeys::one([1; 32]).unwrap()).unwrap();
        let all = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
        let mut all = connection.prepare(all).unwrap();
        let mut names: Vec<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        names.retain(|name| name != "migrations" && name != "filling");
        let mut listed: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        listed.sort_unstable();
        assert_eq!(listed, names, "a table is missing in the list, or in the schema");
        for table in TABLES {
            let (columns, keys) = real(&connection, table.name);
            let described = table.columns.iter().map(|column| (column.name.to_owned(), (column.kind, column.nullable)));
            assert_eq!(described.collect::<BTreeMap<_, _>>(), columns, "{}", table.name);
            let key: Vec<String> = table.key().map(|column| column.name.to_owned()).collect();
            assert!(keys.contains(&key), "{} has no unique key {key:?}, it has {keys:?}", table.name);
        }
    }

    #[test]
    fn accounts_come_last() {
        assert_eq!(TABLES.last().unwrap().name, "accounts");
    }

    #[test]
    fn every_page_is_found_by_an_index() {
        let connection = Connection::open_in_memory().unwrap();
        migrations::sqlite::run(&connection, &MasterKeys::one([1; 32]).unwrap()).unwrap();
        for table in TABLES {
            for sql in &table.statements().pages {
                let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                for parameter in 1..=plan.parameter_count() {
                    plan.raw_bind_parameter(parameter, 1).unwrap();
                }
                let mut rows = plan.raw_query();
                while let Some(row) = rows.next().unwrap() {
                    let step: String = row.get(3).unwrap();
                    assert!(!step.contains("TEMP B-TREE"), "{sql}: {step}");
                    assert!(!sql.contains("WHERE") || step.starts_with("SEARCH"), "{sql}: {step}");
                }
            }
        }
    }
}
