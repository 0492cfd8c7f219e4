//! The files that are checked: text of this repository, nothing built, nothing downloaded.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Folders that hold no text of ours.
const SKIPPED_FOLDERS: &[&str] = &["target", "node_modules", "whimbrel-dev", "__pycache__"];
/// File names and endings that are read.
const ENDINGS: &[&str] = &[
    ".rs", ".toml", ".md", ".txt", ".sh", ".py", ".js", ".mjs", ".html", ".css", ".sql", ".yml", ".yaml", ".json",
    "Makefile", ".ci/run",
];

/// A text file and what is known about its lines.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// The index of the first line that belongs to tests.
    tests_from: usize,
}

/// One line of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
    pub(super) is_test: bool,
    /// The line itself or the comment above it names a rule that does not hold here.
    allowance: Option<&'a str>,
}

impl Line<'_> {
    /// Whether a comment excuses the line from `rule`.
    pub(super) fn allows(&self, rule: &str) -> bool {
        self.allowance.and_then(|text| text.strip_prefix(rule)).is_some_and(|rest| rest.starts_with(','))
    }

    /// Whether the whole line is a comment.
    pub(super) fn is_comment(&self) -> bool {
        let text = self.text.trim_start();
        text.starts_with("//") || text.starts_with('#') && !text.starts_with("#[") && !text.starts_with("#!")
    }
}

impl Source {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let tests_from = if is_test_file(&path) { 0 } else { test_module(&text) };
        Self { path, text, tests_from }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut above = "";
        self.text.lines().enumerate().map(move |(index, text)| {
            let allowance = [text, above].into_iter().find_map(|line| Some(line.split_once("tidy: allow ")?.1));
            above = text;
            Line { number: index + 1, text, is_test: index >= self.tests_from, allowance }
        })
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of the file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.tests_from == 0
    }
}

fn is_test_file(path: &str) -> bool {
    let folder = |name: &str| path.starts_with(&format!("{name}/")) || path.contains(&format!("/{name}/"));
    folder("tests") || path.starts_with("crates/testkit/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Tests come last in a file: the line of `#[cfg(test)]` in front of a module with a body.
fn test_module(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let opens = |line: &str| line.starts_with("mod ") && line.ends_with('{');
    lines
        .windows(2)
        .position(|pair| matches!(pair, [attribute, module] if *attribute == "#[cfg(test)]" && opens(module)))
        .unwrap_or(usize::MAX)
}

/// Reads every text file below `root`.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(root, "", &mut sources)?;
    Ok(sources)
}

fn walk(folder: &Path, prefix: &str, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).with_context(|| folder.display().to_string())?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            if !hidden && !SKIPPED_FOLDERS.contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), sources)?;
            }
        } else if ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).with_context(|| path.clone())?;
            sources.push(Source::new(path, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_at_the_end_is_test_code_and_what_is_before_it_is_not() {
        let source = Source::new(
            "crates/x/src/a.rs",
            "fn a() {}\n#[cfg(test)]\nfn only_here() {}\n#[cfg(test)]\nmod tests {\n}\n",
        );
        let test: Vec<bool> = source.lines().map(|line| line.is_test).collect();
        assert_eq!(test, [false, false, false, true, true, true]);
        assert!(Source::new("tests/src/a.rs", "").is_test() && Source::new("crates/x/src/a/tests.rs", "").is_test());
    }

    #[test]
    fn a_comment_excuses_its_line_and_the_next() {
        let source = Source::new("a.rs", "// tidy: allow sleep, the peer gives no sign\nsleep();\nsleep();\n");
        let allowed: Vec<bool> = source.lines().map(|line| line.allows("sleep")).collect();
        assert_eq!(allowed, [true, true, false]);
        assert!(!source.lines().next().unwrap().allows("sql"));
    }
}
