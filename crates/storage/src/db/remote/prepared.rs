//! Statements that stay prepared on a connection, those used last.

use std::collections::HashMap;

use super::fold::Text;
use crate::limits;

pub(in crate::db) struct Prepared<T> {
    statements: HashMap<Text, (T, u64)>,
    uses: u64,
}

impl<T: Clone> Prepared<T> {
    pub(in crate::db) fn new() -> Self {
        Self { statements: HashMap::new(), uses: 0 }
    }

    pub(in crate::db) fn find(&mut self, text: Text) -> Option<T> {
        self.uses = self.uses.wrapping_add(1);
        let (statement, used) = self.statements.get_mut(&text)?;
        *used = self.uses;
        Some(statement.clone())
    }

    /// Keeps a statement; returns the one that had to make room.
    pub(in crate::db) fn keep(&mut self, text: Text, statement: T) -> Option<T> {
        let oldest = (self.statements.len() >= limits::PREPARED_STATEMENTS_MAX)
            .then(|| self.statements.iter().min_by_key(|(_, (_, used))| *used).map(|(text, _)| *text))
            .flatten();
        let dropped = oldest.and_then(|text| self.statements.remove(&text)).map(|(statement, _)| statement);
        self.statements.insert(text, (statement, self.uses));
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_unused_for_longest_makes_room() {
        let mut prepared = Prepared::new();
        for rows in 1..=limits::PREPARED_STATEMENTS_MAX {
            assert_eq!(prepared.keep(Text { sql: "a", rows }, rows), None);
            prepared.find(Text { sql: "a", rows: 1 });
        }
        assert_eq!(prepared.keep(Text { sql: "b", rows: 1 }, 0), Some(2));
        assert_eq!(prepared.find(Text { sql: "a", rows: 1 }), Some(1));
        assert_eq!(prepared.find(Text { sql: "a", rows: 2 }), None);
    }
}
