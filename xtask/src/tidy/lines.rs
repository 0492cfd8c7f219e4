//! Rules that hold line by line: one function a rule, each told what is wrong with a line.

use super::sources::Line;
use super::{Finding, Source};

/// A rule sees a file and one of its lines, and says what is wrong.
type Rule = fn(&Source, Line<'_>) -> Option<String>;

const RULES: &[(&str, Rule)] = &[
    ("pure", pure),
    ("slices", slices),
    ("sql", sql),
    ("namespaces", namespaces),
    ("vendors", vendors),
    ("paths", paths),
    ("todo", todo),
    ("sleep", sleep),
    ("header", header),
];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    // The rules below name what they look for.
    if source.path == "xtask/src/tidy/lines.rs" {
        return Vec::new();
    }
    source.lines().flat_map(|line| broken(source, line)).collect()
}

fn broken(source: &Source, line: Line<'_>) -> Vec<Finding> {
    let in_force = RULES.iter().filter(|(name, _)| !line.allows(name));
    let finding = |what, rule| Finding { path: source.path.clone(), line: line.number, rule, what };
    in_force.filter_map(|(rule, check)| Some(finding(check(source, line)?, *rule))).collect()
}

/// `xmpp`, `omemo` and `client` touch no socket, clock, file or source of randomness.
fn pure(source: &Source, line: Line<'_>) -> Option<String> {
    const IMPURE: &[&str] = &[
        "std::net",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "Instant::now",
        "SystemTime::now",
        "Utc::now",
        "thread_rng",
        "rand::rng",
        "OsRng",
        "SystemRandom",
        "rand::fill",
    ];
    let in_pure_crate =
        ["xmpp", "omemo", "client"].iter().any(|name| source.path.starts_with(&format!("crates/{name}/src/")));
    if !in_pure_crate || !source.is_rust() || line.is_test || line.is_comment() {
        return None;
    }
    let found = IMPURE.iter().find(|word| line.text.contains(*word))?;
    Some(format!("`{found}` in a crate without I/O: pass in what it gives"))
}

/// A file of `ext/` is one extension and knows no other.
fn slices(source: &Source, line: Line<'_>) -> Option<String> {
    let (_, below) = source.path.split_once("/src/ext/")?;
    if below == "mod.rs" || line.is_test || line.is_comment() {
        return None;
    }
    let (slice, nested) = match below.split_once('/') {
        Some((slice, file)) => (slice, file != "mod.rs"),
        None => (below.strip_suffix(".rs").unwrap_or(below), false),
    };
    let parent = if nested { "super::super::" } else { "super::" };
    let other = ["crate::ext::", parent].into_iter().any(|path| names_module(line.text, path, slice));
    other.then(|| String::from("an extension imports another: what both need belongs outside `ext/`"))
}

/// Whether something below `path` begins with a module's name (a type of `ext/mod.rs` does not) and
/// is not of this slice.
fn names_module(text: &str, path: &str, slice: &str) -> bool {
    let names = text.split(path).skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or(group).split(',').collect::<Vec<_>>(),
        None => vec![rest],
    });
    names.into_iter().any(|name| {
        let name = name.trim();
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.starts_with("self")
            && !name.starts_with(&format!("{slice}::"))
    })
}

/// SQL is written in `storage`, in the client's own database, and where tests set servers up.
fn sql(source: &Source, line: Line<'_>) -> Option<String> {
    const STARTS: &[&str] = &[
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"DELETE FROM",
        "\"CREATE TABLE",
        "\"CREATE INDEX",
        "\"ALTER TABLE",
        "\"PRAGMA ",
    ];
    let has_database =
        ["crates/storage/", "crates/client/", "crates/services/"].iter().any(|folder| source.path.starts_with(folder));
    if has_database || !source.is_rust() || line.is_test {
        return None;
    }
    STARTS.iter().any(|start| line.text.contains(start)).then(|| String::from("SQL belongs in `storage`"))
}

/// A namespace is written once, with a name.
fn namespaces(source: &Source, line: Line<'_>) -> Option<String> {
    const STARTS: &[&str] = &["\"urn:xmpp:", "\"urn:ietf:params:xml:ns:xmpp", "\"http://jabber.org/", "\"jabber:"];
    let product = source.path.starts_with("crates/") || source.path.starts_with("apps/");
    let named_here = source.path == "crates/xmpp/src/ns.rs" || source.path.starts_with("crates/xmpp/src/ns/");
    if named_here || !product || !source.is_rust() || line.is_test || line.is_comment() {
        return None;
    }
    STARTS
        .iter()
        .any(|start| line.text.contains(start))
        .then(|| String::from("a namespace belongs in `xmpp/src/ns.rs`"))
}

/// Which companies wake devices is known in `push` alone.
fn vendors(source: &Source, line: Line<'_>) -> Option<String> {
    // Not "gcm", the older name of the first: it is a mode of AES as well.
    const VENDORS: &[&str] = &["fcm", "apns", "firebase", "googleapis"];
    let elsewhere = source.path.starts_with("crates/") && !source.path.starts_with("crates/push/");
    if !elsewhere || !source.is_rust() || line.is_test || line.is_comment() {
        return None;
    }
    let text = line.text.to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let found = words.into_iter().find(|word| VENDORS.contains(word))?;
    Some(format!("the vendor name `{found}` belongs in `push`"))
}

/// No file names a place on somebody's machine.
fn paths(source: &Source, line: Line<'_>) -> Option<String> {
    // Documentation shows where an operator's files may lie.
    const PLACES: &[&str] = &["/root/", "/home/", "/Users/", "/work/"];
    let generated = source.path.ends_with("-lock.json");
    if generated {
        return None;
    }
    let found = PLACES.iter().find(|place| {
        line.text.match_indices(*place).any(|(at, _)| {
            // `docs/work/` is a path of ours, `https://example.org/work/` an address.
            !line.text.get(..at).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
        })
    })?;
    Some(format!("`{found}` is a place on one machine"))
}

/// What is left to do is done, or tracked where others see it.
fn todo(source: &Source, line: Line<'_>) -> Option<String> {
    const MARKS: &[&str] = &["todo!(", "unimplemented!(", "FIXME", "XXX"];
    if !source.is_rust() {
        return None;
    }
    let found = MARKS.iter().find(|mark| line.text.contains(*mark))?;
    Some(format!("`{found}` left behind"))
}

/// A test waits for the event, with a deadline; it never sleeps and hopes.
fn sleep(source: &Source, line: Line<'_>) -> Option<String> {
    const SLEEPS: &[&str] = &["thread::sleep(", "time::sleep(", "time.sleep(", "asyncio.sleep(", " sleep("];
    let script = [".py", ".js", ".mjs"].iter().any(|ending| source.path.ends_with(ending));
    if !line.is_test || !(source.is_rust() || script) || line.is_comment() {
        return None;
    }
    SLEEPS
        .iter()
        .any(|sleep| line.text.contains(sleep))
        .then(|| String::from("a test sleeps: wait for the event instead"))
}

/// A module opens with what it owns.
fn header(source: &Source, line: Line<'_>) -> Option<String> {
    let wanted = line.number == 1 && source.is_rust() && !source.is_test();
    (wanted && !line.text.starts_with("//!")).then(|| String::from("a module begins with `//!` and what it owns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, format!("//! Head.\n{text}")))
            .iter()
            .map(|finding| format!("{}:{}", finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_found_and_a_duration_is_not() {
        assert_eq!(found("crates/xmpp/src/a.rs", "use std::time::Duration;\nlet now = Instant::now();"), ["3:pure"]);
        assert!(found("crates/server/src/a.rs", "let now = Instant::now();").is_empty());
        assert!(found("crates/xmpp/src/a.rs", "// tokio is for callers").is_empty());
    }

    #[test]
    fn extensions_do_not_know_each_other() {
        assert_eq!(found("crates/server/src/ext/mam.rs", "use crate::ext::carbons;"), ["2:slices"]);
        assert_eq!(found("crates/server/src/ext/mam.rs", "use super::{Reply, carbons};"), ["2:slices"]);
        assert_eq!(found("crates/server/src/ext/adhoc/mod.rs", "use super::carbons;"), ["2:slices"]);
        assert_eq!(found("crates/server/src/ext/adhoc/form.rs", "use super::super::carbons;"), ["2:slices"]);
        assert!(
            found("crates/server/src/ext/adhoc/form.rs", "use super::Step;\nuse crate::ext::adhoc::Step;").is_empty()
        );
        assert!(found("crates/server/src/ext/mam.rs", "use super::{Reply, Request};").is_empty());
        assert!(found("crates/server/src/ext/mam.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n}").is_empty());
    }

    #[test]
    fn sql_and_namespaces_have_one_home_each() {
        assert_eq!(found("crates/server/src/a.rs", "let q = \"SELECT id FROM accounts\";"), ["2:sql"]);
        assert!(found("crates/storage/src/a.rs", "let q = \"SELECT id FROM accounts\";").is_empty());
        assert_eq!(found("crates/server/src/a.rs", "let ns = \"urn:xmpp:mam:2\";"), ["2:namespaces"]);
        assert!(found("crates/xmpp/src/ns.rs", "pub const MAM: &str = \"urn:xmpp:mam:2\";").is_empty());
        assert!(found("tests/src/a.rs", "let ns = \"urn:xmpp:mam:2\";").is_empty());
    }

    #[test]
    fn places_on_a_machine_are_found_and_addresses_are_not() {
        assert_eq!(found("README.md", "see /home/me/notes"), ["2:paths"]);
        assert!(found("README.md", "see https://example.org/home/me and docs/work/a").is_empty());
    }

    #[test]
    fn a_sleep_needs_a_reason() {
        assert_eq!(found("tests/src/a.rs", "tokio::time::sleep(ms(5)).await;"), ["2:sleep"]);
        assert!(
            found(
                "tests/src/a.rs",
                "tokio::time::sleep(ms(5)).await; // tidy: allow sleep, one step of a bounded poll"
            )
            .is_empty()
        );
        assert!(found("crates/server/src/a.rs", "tokio::time::sleep(ms(5)).await;").is_empty());
    }

    #[test]
    fn a_module_without_a_header_is_found() {
        assert_eq!(check(&Source::new("crates/server/src/a.rs", "use a;\n")).len(), 1);
    }
}
