//! Every difference between the databases this crate speaks to.
//!
//! Statements are written for all of them, by these rules:
//! - parameters are `?`, each used once and in order (PostgreSQL gets `$1..$n`);
//! - columns are named; text compares by bytes (binary or `C` collation);
//! - `RETURNING` is not used by aggregates (MySQL has none): a batch ends with a
//!   `SELECT` instead, which sees what the statements before it wrote;
//! - no `LIMIT` in a subquery or a `DELETE`; no array parameters: a list of ids
//!   is [`ID_LIST_LEN`] parameters, padded by repeating the last id;
//! - an upsert is `INSERT ... ON CONFLICT (key) DO UPDATE SET column = excluded.column`
//!   (MySQL: `ON DUPLICATE KEY UPDATE column = VALUES(column)`), `INSERT ... ON
//!   CONFLICT DO NOTHING` (MySQL: `INSERT IGNORE`);
//! - schemas differ and live in `migrations/`: SQLite has `STRICT` tables,
//!   `INTEGER PRIMARY KEY AUTOINCREMENT` (an id is never used again), `TEXT` keys.
//!
//! SQLite: big rows live in rowid tables with a unique index, because clustering
//! them by owner was measured four times slower; small ones are `WITHOUT ROWID`.

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
    #[test]
    fn the_list_of_ids_is_as_long_as_it_says() {
        assert_eq!(id_list!().matches('?').count(), super::ID_LIST_LEN);
    }
}
