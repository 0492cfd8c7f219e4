//! Files stay short. Those that are too long already are written down with their length in
//! `xtask/tidy-ratchet.txt`, and may only shrink.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::{Finding, Source};

const FILE: &str = "xtask/tidy-ratchet.txt";
const LINES_MAX: usize = 400;
const HEAD: &str = "# Files of more than 400 lines, and how many they have: they may only shrink, and none may join.\n";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let ratchet = sources.iter().find(|source| source.path == FILE);
    let listed = ratchet.map(parse).unwrap_or_default();
    let mut findings = Vec::new();
    for (path, lines) in lengths(sources) {
        let most = listed.get(path).map_or(LINES_MAX, |(_, lines)| *lines);
        if lines > most {
            let what = format!("{lines} lines, {most} are the most: split it by meaning");
            findings.push(Finding { path: path.to_owned(), line: 1, rule: "length", what });
        }
    }
    for (path, (line, _)) in &listed {
        let is_long = lengths(sources).any(|(long, lines)| long == *path && lines > LINES_MAX);
        if !is_long {
            let what = format!("{path} is short now: take its line out");
            findings.push(Finding { path: FILE.to_owned(), line: *line, rule: "length", what });
        }
    }
    findings
}

pub(super) fn write(root: &Path, sources: &[Source]) -> anyhow::Result<()> {
    let long = lengths(sources).filter(|(_, lines)| *lines > LINES_MAX);
    let text = long.fold(String::from(HEAD), |text, (path, lines)| format!("{text}{path} {lines}\n"));
    fs::write(root.join(FILE), text).context(FILE)
}

fn lengths(sources: &[Source]) -> impl Iterator<Item = (&str, usize)> {
    sources.iter().filter(|source| source.is_rust()).map(|source| (source.path.as_str(), source.text.lines().count()))
}

/// Path to (line in the ratchet, most lines).
fn parse(source: &Source) -> BTreeMap<&str, (usize, usize)> {
    source
        .text
        .lines()
        .enumerate()
        .filter_map(|(index, text)| {
            let (path, lines) = text.split_once(' ')?;
            Some((path, (index + 1, lines.parse().ok()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> Source {
        Source::new("crates/x/src/a.rs", "//! x\n".repeat(lines))
    }

    fn ratchet(text: &str) -> Source {
        Source::new(FILE, format!("{HEAD}{text}"))
    }

    #[test]
    fn a_long_file_may_only_shrink() {
        let rules = |sources: &[Source]| check(sources).len();
        assert_eq!(rules(&[long(400)]), 0);
        assert_eq!(rules(&[long(401)]), 1, "none may join");
        assert_eq!(rules(&[long(450), ratchet("crates/x/src/a.rs 450\n")]), 0);
        assert_eq!(rules(&[long(451), ratchet("crates/x/src/a.rs 450\n")]), 1, "none may grow");
        assert_eq!(rules(&[long(300), ratchet("crates/x/src/a.rs 450\n")]), 1, "a short one leaves the list");
    }
}
