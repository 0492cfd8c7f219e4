//! What a table looks like, and the statements that follow from it.

use std::sync::OnceLock;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64 bits.
    Int,
    /// UTF-8.
    Text,
    /// Bytes.
    Blob,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A table, its key in front.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Every column.
    pub columns: &'static [Column],
    /// How many of the columns, from the first, are the unique key that orders the rows.
    pub key_columns: usize,
    statements: OnceLock<Statements>,
}

/// Tables of which a new database has a row: they are never empty, and a copy's row takes that one's place.
const SEEDED: [&str; 2] = ["archive_mark", "deployment_keys"];

/// Static text, made once for each table from names in this crate.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Without parameters but the limit: the first page. Then the one after a row whose first key columns are given:
    /// the same in all of them but the last, greater in that one. A comparison of whole keys at once would not use the
    /// index on every database.
    pub(crate) pages: Vec<String>,
    pub(super) insert: String,
    pub(super) delete: String,
    pub(super) any: String,
}

impl Table {
    pub(super) const fn new(name: &'static str, key_columns: usize, columns: &'static [Column]) -> Self {
        Self { name, columns, key_columns, statements: OnceLock::new() }
    }

    /// The columns of the key, in the order that sorts.
    pub fn key(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().take(self.key_columns)
    }

    pub(super) fn is_seeded(&self) -> bool {
        SEEDED.contains(&self.name)
    }

    pub(crate) fn statements(&'static self) -> &'static Statements {
        self.statements.get_or_init(|| Statements::of(self))
    }
}

impl Statements {
    fn of(table: &Table) -> Self {
        let name = table.name;
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let key: Vec<&str> = table.key().map(|column| column.name).collect();
        let (list, order) = (columns.join(", "), key.join(", "));
        let after = |level: usize| {
            let given = key.iter().take(level).enumerate();
            let conditions =
                given.map(|(at, column)| format!("{column} {} ?", if at + 1 == level { ">" } else { "=" }));
            match conditions.collect::<Vec<_>>().join(" AND ") {
                none if none.is_empty() => String::new(),
                conditions => format!(" WHERE {conditions}"),
            }
        };
        let page = |level| format!("SELECT {list} FROM {name}{} ORDER BY {order} LIMIT ?", after(level));
        let equal: Vec<String> = key.iter().map(|column| format!("{column} = ?")).collect();
        let parameters = vec!["?"; columns.len()].join(", ");
        Self {
            pages: (0..=key.len()).map(page).collect(),
            insert: format!("INSERT INTO {name} ({list}) VALUES ({parameters})"),
            delete: format!("DELETE FROM {name} WHERE {}", equal.join(" AND ")),
            any: format!("SELECT 1 FROM {name} LIMIT 1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_follow_from_the_columns() {
        const COLUMNS: &[Column] = &[
            Column { name: "a", kind: Kind::Int, nullable: false },
            Column { name: "b", kind: Kind::Blob, nullable: false },
            Column { name: "c", kind: Kind::Text, nullable: true },
        ];
        static TABLE: Table = Table::new("t", 2, COLUMNS);
        let statements = TABLE.statements();
        assert_eq!(
            statements.pages,
            [
                "SELECT a, b, c FROM t ORDER BY a, b LIMIT ?",
                "SELECT a, b, c FROM t WHERE a > ? ORDER BY a, b LIMIT ?",
                "SELECT a, b, c FROM t WHERE a = ? AND b > ? ORDER BY a, b LIMIT ?",
            ]
        );
        assert_eq!(statements.insert, "INSERT INTO t (a, b, c) VALUES (?, ?, ?)");
        assert_eq!(statements.delete, "DELETE FROM t WHERE a = ? AND b = ?");
    }
}
