//! Every bound that an operator can set bounds something: its field is read somewhere.

use super::{Finding, Source};

const FILE: &str = "crates/server/src/limits.rs";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(table) = sources.iter().find(|source| source.path == FILE) else { return Vec::new() };
    let in_server = |source: &&Source| source.path.starts_with("crates/server/src/") && source.path != FILE;
    let users: Vec<&Source> = sources.iter().filter(in_server).collect();
    let is_read = |name: &str| {
        let field = format!(".{name}");
        users.iter().any(|source| source.lines().any(|line| !line.is_test && line.text.contains(&field)))
    };
    let unread = |(line, name): (usize, &str)| {
        let what = format!("nothing reads `{name}`: enforce it, or take it out");
        Finding { path: table.path.clone(), line, rule: "limits", what }
    };
    names(table).into_iter().filter(|(_, name)| !is_read(name)).map(unread).collect()
}

/// The bounds in the table, `name: type = default in range;`, with their lines.
fn names(table: &Source) -> Vec<(usize, &str)> {
    let bound = |text: &'_ str| text.contains(" = ") && text.contains(" in ") && text.ends_with(';');
    let entries = table.lines().filter(|line| !line.is_comment() && bound(line.text.trim()));
    entries.filter_map(|line| Some((line.number, line.text.trim().split_once(':')?.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_nothing_reads_is_found() {
        let table = Source::new(
            FILE,
            "//! Bounds.\nbounds! {\n    depth_max: usize = 64 in 8..512;\n    idle_secs: u64 = 300 in 10..86_400;\n}\n",
        );
        let user = Source::new("crates/server/src/c2s/a.rs", "//! A.\nlet depth = limits.depth_max;\n");
        let findings = check(&[table, user]);
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [4]);
    }
}
