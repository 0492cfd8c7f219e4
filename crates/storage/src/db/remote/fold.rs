//! Many statements in few: inserts of one text become inserts of many rows, submitted deletions of one text become one.
//!
//! A statement may go to the database earlier or later than its place says as long as no statement in between touches
//! one of its tables. That is what there is to it, for a schema without triggers and foreign keys.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    db::{Statement, Value},
    limits,
};

/// The text of a statement, for this many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::db) struct Text {
    pub(in crate::db) sql: &'static str,
    pub(in crate::db) rows: usize,
}

impl Text {
    pub(in crate::db) fn single(sql: &'static str) -> Self {
        Self { sql, rows: 1 }
    }

    /// The statement written out, in the portable dialect.
    pub(in crate::db) fn write(self) -> Cow<'static, str> {
        if self.rows == 1 {
            return Cow::Borrowed(self.sql);
        }
        let (head, row, separator) = match Shape::of(self.sql).kind {
            Kind::Insert { head, row } => (head, row.to_owned(), ", "),
            Kind::Delete { head, condition } => (head, format!("({condition})"), " OR "),
            Kind::Other => return Cow::Borrowed(self.sql),
        };
        Cow::Owned(format!("{head}{}", vec![row; self.rows].join(separator)))
    }
}

/// What goes to the database in one round.
#[derive(Debug)]
pub(in crate::db) struct Step<'a> {
    pub(in crate::db) text: Text,
    pub(in crate::db) params: Vec<&'a Value>,
    /// The statements that it stands for, counted over all batches.
    members: Vec<usize>,
}

impl Step<'_> {
    /// Rows affected of each statement that the step stands for, if that many were affected by the step.
    pub(in crate::db) fn members(&self) -> &[usize] {
        &self.members
    }
}

#[derive(Debug, Clone)]
struct Shape {
    kind: Kind,
    tables: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `INSERT INTO table (columns) VALUES` and `(?, ?)`.
    Insert {
        head: &'static str,
        row: &'static str,
    },
    /// `DELETE FROM table WHERE` and its condition, which looks at no other table.
    Delete {
        head: &'static str,
        condition: &'static str,
    },
    Other,
}

/// Plans groups of batches; remembers what it learnt of each text.
#[derive(Default)]
pub(super) struct Planner {
    shapes: HashMap<&'static str, Shape>,
}

impl Planner {
    /// The steps of a group, in order. Each batch comes with whether it was submitted.
    pub(super) fn plan<'a>(&mut self, batches: impl Iterator<Item = (&'a [Statement], bool)>) -> Vec<Step<'a>> {
        let mut plan = Plan::default();
        let mut number = 0;
        for (batch, submitted) in batches {
            for statement in batch {
                if self.shapes.len() >= limits::PREPARED_STATEMENTS_MAX.saturating_mul(8) {
                    self.shapes.clear();
                }
                let shape = self.shapes.entry(statement.sql).or_insert_with(|| Shape::of(statement.sql));
                plan.add(number, statement, shape, submitted);
                number = number.saturating_add(1);
            }
        }
        plan.close_all();
        plan.steps
    }
}

#[derive(Default)]
struct Plan<'a> {
    steps: Vec<Step<'a>>,
    /// Statements of one text that can still take another.
    runs: Vec<Run<'a>>,
}

struct Run<'a> {
    sql: &'static str,
    table: Option<&'static str>,
    statements: Vec<(usize, &'a Statement)>,
}

impl<'a> Plan<'a> {
    fn add(&mut self, number: usize, statement: &'a Statement, shape: &Shape, submitted: bool) {
        let foldable = match shape.kind {
            Kind::Insert { .. } => true,
            // How many rows one of them removed cannot be told any more.
            Kind::Delete { .. } => submitted,
            Kind::Other => false,
        };
        // Tables that could not be made out may be any.
        let apart = |run: &Run<'_>| match run.table {
            Some(table) => !shape.tables.is_empty() && !shape.tables.contains(&table),
            None => false,
        };
        let mut at = 0;
        while let Some(run) = self.runs.get(at) {
            if foldable && run.sql == statement.sql || apart(run) {
                at = at.saturating_add(1);
            } else {
                let run = self.runs.remove(at);
                self.close(run);
            }
        }
        if !foldable {
            let params = statement.params.iter().collect();
            self.steps.push(Step { text: Text::single(statement.sql), params, members: vec![number] });
            return;
        }
        match self.runs.iter_mut().find(|run| run.sql == statement.sql) {
            Some(run) => run.statements.push((number, statement)),
            None => self.runs.push(Run {
                sql: statement.sql,
                table: shape.tables.first().copied(),
                statements: vec![(number, statement)],
            }),
        }
    }

    fn close_all(&mut self) {
        for run in std::mem::take(&mut self.runs) {
            self.close(run);
        }
    }

    /// Steps of few sizes, so that few texts stay prepared.
    fn close(&mut self, run: Run<'a>) {
        let mut rest = run.statements.as_slice();
        while !rest.is_empty() {
            let mut rows = limits::INSERT_ROWS_MAX;
            while rows > 1
                && (rows > rest.len() || bytes(rest.get(..rows).unwrap_or_default()) > limits::INSERT_BYTES_MAX)
            {
                rows = rows.checked_div(4).unwrap_or(1).max(1);
            }
            let Some((taken, left)) = rest.split_at_checked(rows) else { return };
            self.steps.push(Step {
                text: Text { sql: run.sql, rows },
                params: taken.iter().flat_map(|(_, statement)| &statement.params).collect(),
                members: taken.iter().map(|(number, _)| *number).collect(),
            });
            rest = left;
        }
    }
}

fn bytes(statements: &[(usize, &Statement)]) -> usize {
    statements.iter().flat_map(|(_, statement)| &statement.params).map(Value::bytes).sum()
}

impl Shape {
    fn of(sql: &'static str) -> Self {
        let kind = insert(sql).or_else(|| delete(sql)).unwrap_or(Kind::Other);
        Self { kind, tables: tables(sql) }
    }
}

fn insert(sql: &'static str) -> Option<Kind> {
    let sql = sql.trim();
    let at = sql.strip_prefix("INSERT INTO ").and(sql.find("VALUES ("))?.checked_add("VALUES ".len())?;
    let (head, row) = sql.split_at_checked(at)?;
    let places = row.strip_prefix('(')?.strip_suffix(')')?;
    places.split(',').all(|place| place.trim() == "?").then_some(Kind::Insert { head, row })
}

fn delete(sql: &'static str) -> Option<Kind> {
    let at = sql.strip_prefix("DELETE FROM ").and(sql.find(" WHERE "))?.checked_add(" WHERE ".len())?;
    let (head, condition) = sql.split_at_checked(at)?;
    (!condition.contains("SELECT") && !condition.contains(" OR ")).then_some(Kind::Delete { head, condition })
}

/// Every table that a statement reads or writes: the word after each of these.
fn tables(sql: &'static str) -> Vec<&'static str> {
    let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut tables = Vec::new();
    while let Some(word) = words.next() {
        // `ON CONFLICT ... DO UPDATE SET` names no table.
        if matches!(word, "INTO" | "FROM" | "JOIN" | "UPDATE")
            && let Some(table) = words.next()
            && table != "SET"
            && table != "SELECT"
            && !tables.contains(&table)
        {
            tables.push(table);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERT: &str = "INSERT INTO archive (owner, id) VALUES (?, ?)";
    const POINTER: &str = "INSERT INTO undelivered (owner, id) VALUES (?, ?)";
    const CLEAR: &str = "DELETE FROM undelivered WHERE owner = ? AND id = ?";
    const PURGE: &str =
        "DELETE FROM archive WHERE owner = ? AND NOT EXISTS (SELECT 1 FROM undelivered u WHERE u.id = archive.id)";
    const BUMP: &str = "UPDATE accounts SET version = version + 1 WHERE id = ?";
    const UPSERT: &str =
        "INSERT INTO roster (owner) VALUES (?) ON CONFLICT (owner) DO UPDATE SET owner = excluded.owner";

    fn statement(sql: &'static str) -> Statement {
        Statement::new(sql, vec![Value::Int(1); sql.matches('?').count()])
    }

    /// Text and members of each step; submitted batches are of one statement.
    fn plan(statements: &[&'static str], submitted: bool) -> Vec<(&'static str, Vec<usize>)> {
        let batches: Vec<_> = statements.iter().map(|sql| vec![statement(sql)]).collect();
        let mut planner = Planner::default();
        let steps = planner.plan(batches.iter().map(|batch| (batch.as_slice(), submitted)));
        for step in &steps {
            assert_eq!(step.params.len(), step.text.write().matches('?').count());
            assert_eq!(step.text.rows, step.members.len());
        }
        steps.into_iter().map(|step| (step.text.sql, step.members)).collect()
    }

    #[test]
    fn inserts_of_a_text_go_together_in_few_sizes() {
        let texts: Vec<_> = [INSERT, POINTER].into_iter().cycle().take(2 * 21).collect();
        let sizes: Vec<_> = plan(&texts, false).into_iter().map(|(sql, members)| (sql, members.len())).collect();
        let expected = [INSERT, POINTER].map(|sql| [(sql, 16), (sql, 4), (sql, 1)]);
        assert_eq!(sizes, expected.concat());
        assert_eq!(Text { sql: POINTER, rows: 2 }.write(), "INSERT INTO undelivered (owner, id) VALUES (?, ?), (?, ?)");
    }

    #[test]
    fn nothing_overtakes_a_statement_that_touches_its_table() {
        let four = [INSERT; 4];
        let texts = [four.as_slice(), &[BUMP, PURGE], &four].concat();
        let order: Vec<_> = plan(&texts, false).into_iter().map(|(sql, members)| (sql, members.len())).collect();
        assert_eq!(order, [(BUMP, 1), (INSERT, 4), (PURGE, 1), (INSERT, 4)]);
        assert_eq!(plan(&[POINTER, PURGE], false), [(POINTER, vec![0]), (PURGE, vec![1])]);
        assert_eq!(plan(&[INSERT, "VACUUM"], false), [(INSERT, vec![0]), ("VACUUM", vec![1])]);
    }

    #[test]
    fn an_upsert_goes_alone_and_in_its_place() {
        assert_eq!(plan(&[UPSERT, UPSERT], false), [(UPSERT, vec![0]), (UPSERT, vec![1])]);
        assert_eq!(tables(UPSERT), ["roster"]);
    }

    #[test]
    fn deletions_go_together_only_if_nobody_asks_what_each_removed() {
        assert_eq!(plan(&[CLEAR; 4], true), [(CLEAR, vec![0, 1, 2, 3])]);
        assert_eq!(plan(&[CLEAR; 4], false).len(), 4);
        assert_eq!(plan(&[PURGE; 4], true).len(), 4);
        assert_eq!(plan(&[POINTER, CLEAR], true), [(POINTER, vec![0]), (CLEAR, vec![1])]);
        let expected = "DELETE FROM undelivered WHERE (owner = ? AND id = ?) OR (owner = ? AND id = ?)";
        assert_eq!(Text { sql: CLEAR, rows: 2 }.write(), expected);
    }

    #[test]
    fn big_rows_make_small_steps() {
        let row = |bytes: usize| Statement::new(INSERT, [Value::Int(1), Value::Blob(vec![0; bytes].into())]);
        let batch: Vec<_> = std::iter::repeat_with(|| row(limits::INSERT_BYTES_MAX / 3)).take(8).collect();
        let steps = Planner::default().plan(std::iter::once((batch.as_slice(), false))).len();
        assert_eq!(steps, 8);
    }
}
