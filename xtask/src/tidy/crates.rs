//! Which crate may import which: the server never links what could read an encrypted message, and
//! only `storage` and `client` link a database, only `blob` an object store.

use anyhow::Context;

use super::{Finding, Source};

/// What each crate may depend on among our own, and which drivers it may link.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("xmpp", &[]),
    ("omemo", &[]),
    ("blob", &["object_store"]),
    ("storage", &["xmpp", "rusqlite", "tokio-postgres", "mysql_async"]),
    ("cluster", &["xmpp"]),
    ("push", &["xmpp"]),
    ("server", &["xmpp", "storage", "blob", "cluster", "push"]),
    ("client", &["xmpp", "omemo", "rusqlite"]),
];
/// What is watched: our crates, database drivers, runtimes.
const WATCHED: &[&str] = &[
    "xmpp",
    "omemo",
    "storage",
    "blob",
    "cluster",
    "push",
    "server",
    "client",
    "testkit",
    "object_store",
    "services",
    "rusqlite",
    "tokio-postgres",
    "mysql_async",
    "sqlx",
];

pub(super) fn check(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (name, allowed) in MAY_IMPORT {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        findings.extend(manifest(source, allowed)?);
    }
    Ok(findings)
}

fn manifest(source: &Source, allowed: &[&str]) -> anyhow::Result<Vec<Finding>> {
    let table: toml::Table = source.text.parse().with_context(|| source.path.clone())?;
    let mut findings = Vec::new();
    // Tests may use what they like: only what is linked into the product counts.
    for name in table.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys) {
        if WATCHED.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
            let line = source
                .lines()
                .find(|line| line.text.trim_start().starts_with(name.as_str()))
                .map_or(1, |line| line.number);
            let what = format!("this crate must not depend on {name}");
            findings.push(Finding { path: source.path.clone(), line, rule: "imports", what });
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_links_the_ratchets_is_found() {
        let manifest =
            "[dependencies]\nxmpp.workspace = true\nomemo.workspace = true\n[dev-dependencies]\nclient = \"1\"\n";
        let findings = check(&[Source::new("crates/server/Cargo.toml", manifest)]).unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["crates/server/Cargo.toml:3: imports: this crate must not depend on omemo"]);
    }
}
