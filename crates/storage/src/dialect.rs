//! Every difference between the databases this crate speaks to.
//!
//! Statements are written for all of them, by these rules:
//! - parameters are `?`, each used once and in order (PostgreSQL gets `$1..$n`);
//! - columns are named; text compares by bytes (binary or `C` collation);
//! - `RETURNING` is not used by aggregates (MySQL has none): a batch ends with a
//!   `SELECT` instead, which sees what the statements before it wrote;
//! - `/*!...*/` is a hint that MySQL and MariaDB read, and nobody else does: left to
//!   themselves they walk a whole archive along a narrower index;
//! - `LIMIT 1 OFFSET 0` in an `EXISTS` says nothing, and keeps PostgreSQL from
//!   joining whole tables: it looks the row up by its index;
//! - no `LIMIT` in another subquery or a `DELETE`; no array parameters: a list of ids
//!   is [`ID_LIST_LEN`] parameters, padded by repeating the last id;
//! - an upsert is `INSERT ... ON CONFLICT (key) DO UPDATE SET column = excluded.column`
//!   (MySQL: `ON DUPLICATE KEY UPDATE column = VALUES(column)`), `INSERT ... ON
//!   CONFLICT DO NOTHING` (MySQL: `INSERT IGNORE`);
//! - a parameter stands where its type follows from a column: no bare `?` in the list of a `SELECT`;
//! - a derived table has a name; sums are of integers; no `WHERE` behind `DO UPDATE`;
//! - schemas differ and live in `migrations/`: SQLite has `STRICT` tables,
//!   `INTEGER PRIMARY KEY AUTOINCREMENT` (an id is never used again), `TEXT` keys.
//!
//! SQLite: big rows live in rowid tables with a unique index, because clustering
//! them by owner was measured four times slower; small ones are `WITHOUT ROWID`.

use std::borrow::Cow;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The embedded one, and the one that statements are written for.
    Sqlite,
    /// PostgreSQL 15 or newer.
    Postgres,
    /// MySQL 8 or newer, and MariaDB 10.11 or newer.
    Mysql,
}

impl Dialect {
    /// What its URLs begin with.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Where a server of its kind listens unless told otherwise; 0 where there is none.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Sqlite => 0,
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }

    /// A portable statement in this dialect.
    pub(crate) fn translate(self, sql: &str) -> Cow<'_, str> {
        match self {
            Self::Sqlite => Cow::Borrowed(sql),
            Self::Postgres => numbered(sql),
            Self::Mysql => upserted(sql),
        }
    }
}

/// Each `?` outside of quotes becomes `$1`, `$2` and so on.
fn numbered(sql: &str) -> Cow<'_, str> {
    if !sql.contains('?') {
        return Cow::Borrowed(sql);
    }
    let mut text = String::with_capacity(sql.len().saturating_add(16));
    let (mut quoted, mut number) = (false, 0_u32);
    for character in sql.chars() {
        quoted ^= character == '\'';
        if character == '?' && !quoted {
            number = number.saturating_add(1);
            text.push('$');
            text.push_str(&number.to_string());
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// Upserts as MySQL and MariaDB both write them.
fn upserted(sql: &str) -> Cow<'_, str> {
    let Some((insert, conflict)) = sql.split_once("ON CONFLICT") else { return Cow::Borrowed(sql) };
    let insert = insert.trim_end();
    let Some((_key, update)) = conflict.split_once("DO UPDATE SET") else {
        return Cow::Owned(insert.replacen("INSERT INTO", "INSERT IGNORE INTO", 1));
    };
    let mut text = format!("{insert} ON DUPLICATE KEY UPDATE");
    let mut pieces = update.split("excluded.");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(piece.len());
        let (column, rest) = piece.split_at_checked(end).unwrap_or((piece, ""));
        text.push_str(&format!("VALUES({column}){rest}"));
    }
    Cow::Owned(text)
}

/// Ids in one list of ids.
pub const ID_LIST_LEN: usize = 16;

/// The parameters of `id IN (...)`, [`ID_LIST_LEN`] of them: a list of fixed
/// length is static text and stays prepared.
macro_rules! id_list {
    () => {
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
    };
}
pub(crate) use id_list;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_for_postgresql() {
        let translate = |sql| Dialect::Postgres.translate(sql).into_owned();
        assert_eq!(translate("SELECT a FROM b WHERE c = ? AND d = ?"), "SELECT a FROM b WHERE c = $1 AND d = $2");
        assert_eq!(translate("SELECT '?' WHERE c = ?"), "SELECT '?' WHERE c = $1");
    }

    #[test]
    fn upserts_are_written_the_way_of_mysql() {
        let translate = |sql| Dialect::Mysql.translate(sql).into_owned();
        assert_eq!(
            translate(
                "INSERT INTO t (a, b) VALUES (?, ?)\nON CONFLICT (a) DO UPDATE SET b = excluded.b, c = t.c + excluded.c_d"
            ),
            "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = VALUES(b), c = t.c + VALUES(c_d)"
        );
        assert_eq!(
            translate("INSERT INTO t (a) VALUES (?) ON CONFLICT DO NOTHING"),
            "INSERT IGNORE INTO t (a) VALUES (?)"
        );
        assert_eq!(translate("SELECT a FROM t WHERE b = ?"), "SELECT a FROM t WHERE b = ?");
    }

    #[test]
    fn the_list_of_ids_is_as_long_as_it_says() {
        assert_eq!(id_list!().matches('?').count(), super::ID_LIST_LEN);
    }
}
