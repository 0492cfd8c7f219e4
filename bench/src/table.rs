//! The rows of the comparison, what was measured for them, and the page that shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

use crate::peer::{Figure, Peer};
use crate::plan::Test;

/// What a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Server CPU in microseconds.
    Micros,
    /// Server memory in bytes, shown in KiB.
    Memory,
    /// Time in milliseconds.
    Millis,
}

macro_rules! rows {
    ($( $name:ident: $unit:ident, $goal:literal, $title:literal; )+) => {
        /// A row of the table, in its order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Row { $( #[doc = $title] $name, )+ }

        impl Row {
            const ALL: &'static [Self] = &[$( Self::$name, )+];

            fn title(self) -> &'static str {
                match self { $( Self::$name => $title, )+ }
            }

            fn unit(self) -> Unit {
                match self { $( Self::$name => Unit::$unit, )+ }
            }

            /// What we want to reach, in the row's unit (KiB for memory).
            fn goal(self) -> f64 {
                match self { $( Self::$name => $goal, )+ }
            }
        }
    };
}

rows! {
    Message: Micros, 40.0, "message between online users, one in flight a pair, two archive entries: CPU";
    MessageWindow: Micros, 25.0, "the same, 16 in flight a pair: CPU";
    MessageNoStore: Micros, 15.0, "message with the hint `no-store`, one in flight: CPU";
    MessageUntilDelivered: Micros, 15.0, "message, `retention = \"until-delivered\"`, one in flight: CPU";
    IdleTls: Memory, 12.0, "idle session over TLS: memory (PSS)";
    IdlePlain: Memory, 5.0, "idle session without TLS: memory (PSS)";
    Login: Micros, 250.0, "log-in over TLS and its end: CPU";
    StormAnew: Micros, 200.0, "reconnect storm, each logs in anew: CPU each";
    StormResumed: Micros, 150.0, "reconnect storm, each resumes: CPU each";
    OfflineStored: Micros, 30.0, "message stored for an offline user: CPU";
    OfflineDelivered: Micros, 8.0, "offline message delivered at log-in: CPU";
    Page50: Micros, 150.0, "archive page of 50: CPU";
    Page250: Micros, 600.0, "archive page of 250: CPU";
    LatencyP50: Millis, 1.0, "message at 1,000 a second: latency p50";
    LatencyP99: Millis, 2.0, "message at 1,000 a second: latency p99";
    DurableP50: Millis, 5.0, "message at 2,000 a second, committed to disk: latency p50";
    DurableP99: Millis, 20.0, "message at 2,000 a second, committed to disk: latency p99";
}

/// The rows that a test fills, or what went wrong.
type Found = Result<Vec<(Row, Figure)>>;

/// What every round found.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<(Row, Peer), Vec<Figure>>);

impl Results {
    /// Adds a round's figure.
    fn add(&mut self, row: Row, peer: Peer, figure: Figure) {
        self.0.entry((row, peer)).or_default().push(figure);
    }

    /// Adds what a test found, or notes that it failed.
    pub fn take(&mut self, (round, test, peer): (usize, Test, Peer), found: Found, failures: &mut Vec<String>) {
        match found {
            Ok(found) => {
                let values: Vec<_> = found.iter().map(|(row, figure)| (row, figure.value, figure.database)).collect();
                eprintln!("round {round}, {peer}: {values:.1?}");
                found.into_iter().for_each(|(row, figure)| self.add(row, peer, figure));
            }
            Err(error) => {
                eprintln!("round {round}, {peer}: {test:?} FAILED: {error:#}");
                failures.push(format!("{peer}, {test:?}: {error:#}"));
            }
        }
    }

    fn median(&self, row: Row, peer: Peer) -> Option<f64> {
        self.median_of(row, peer, |figure| figure.value)
    }

    fn median_of(&self, row: Row, peer: Peer, part: impl Fn(&Figure) -> f64) -> Option<f64> {
        median(self.0.get(&(row, peer))?.iter().map(part).collect())
    }

    /// A table without goals for peers with database servers, in whose cells stands how much of it is the database's.
    /// The last column is how many times `ours` `theirs` is.
    pub fn markdown_on_databases(&self, peers: &[Peer], (ours, theirs): (Peer, Peer)) -> Result<String> {
        let mut text = String::from("| work |");
        for peer in peers {
            write!(text, " {peer} |")?;
        }
        writeln!(text, " {theirs} / {ours} |\n| --- |{}", " ---: |".repeat(peers.len() + 1))?;
        for &row in Row::ALL.iter().filter(|row| self.0.keys().any(|(of, _)| of == *row)) {
            write!(text, "| {} |", row.title())?;
            for &peer in peers {
                let parts = [|figure: &Figure| figure.value, |figure: &Figure| figure.database];
                match parts.map(|part| self.median_of(row, peer, part)) {
                    [Some(value), Some(0.0)] => write!(text, " **{}** |", show(row, value))?,
                    [Some(value), Some(of_it)] => write!(text, " **{}** ({}) |", show(row, value), show(row, of_it))?,
                    _ => text.push_str(" – |"),
                }
            }
            match (self.median(row, ours), self.median(row, theirs)) {
                (Some(ours), Some(theirs)) if ours > 0.0 => writeln!(text, " {}× |", rounded(theirs / ours))?,
                _ => text.push_str(" – |\n"),
            }
        }
        Ok(text)
    }

    /// The table of medians in Markdown; beside each peer's how many times ours it is.
    pub fn markdown(&self, peers: &[Peer]) -> Result<String> {
        let mut text = String::from("| work |");
        for peer in peers {
            write!(text, " {peer} |")?;
        }
        text.push_str(" goal |\n| --- |");
        text.push_str(&" ---: |".repeat(peers.len() + 1));
        text.push('\n');
        for &row in Row::ALL {
            if peers.iter().all(|&peer| self.median(row, peer).is_none()) {
                continue;
            }
            write!(text, "| {} |", row.title())?;
            let ours = self.median(row, Peer::Whimbrel);
            for &peer in peers {
                match (self.median(row, peer), ours) {
                    (Some(value), Some(ours)) if peer != Peer::Whimbrel && ours > 0.0 => {
                        write!(text, " {} ({}×) |", show(row, value), rounded(value / ours))?;
                    }
                    (Some(value), _) => write!(text, " **{}** |", show(row, value))?,
                    (None, _) => text.push_str(" – |"),
                }
            }
            let goal = if row.unit() == Unit::Memory { row.goal() * 1024.0 } else { row.goal() };
            writeln!(text, " ≤ {} |", show(row, goal))?;
        }
        Ok(text)
    }
}

/// The middle one, or between the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some((upper + values.get(middle - 1)?) / 2.0) }
}

fn show(row: Row, value: f64) -> String {
    match row.unit() {
        Unit::Micros if value >= 10_000.0 => format!("{} ms", rounded(value / 1000.0)),
        Unit::Micros => format!("{} µs", rounded(value)),
        Unit::Memory => format!("{} KiB", rounded(value / 1024.0)),
        Unit::Millis => format!("{} ms", rounded(value)),
    }
}

/// Three figures at most: no more is meant.
pub fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_medians_and_how_many_times_ours_they_are() {
        let mut results = Results::default();
        for value in [52.0, 40.0, 38.0] {
            results.add(Row::Message, Peer::Whimbrel, value.into());
            results.add(Row::Message, Peer::Ejabberd, (value * 10.0).into());
        }
        let table = results.markdown(&[Peer::Whimbrel, Peer::Ejabberd, Peer::Floor]).unwrap();
        assert!(table.contains("| **40 µs** | 400 µs (10×) | – | ≤ 40 µs |"), "{table}");
        assert_eq!(table.lines().count(), 3, "rows nobody measured are left out");
    }

    #[test]
    fn on_a_database_server_the_table_says_how_much_is_the_databases() {
        let mut results = Results::default();
        results.add(Row::Message, Peer::Whimbrel, 40.0.into());
        results.add(Row::Message, Peer::WhimbrelPostgres, Figure { value: 100.0, database: 60.0 });
        results.add(Row::Message, Peer::EjabberdPostgres, Figure { value: 950.0, database: 500.0 });
        let (ours, theirs) = (Peer::WhimbrelPostgres, Peer::EjabberdPostgres);
        let table = results.markdown_on_databases(&[Peer::Whimbrel, ours, theirs], (ours, theirs)).unwrap();
        assert!(table.contains("| **40 µs** | **100 µs** (60 µs) | **950 µs** (500 µs) | 9.5× |"), "{table}");
        assert_eq!(table.lines().count(), 3);
    }
}
