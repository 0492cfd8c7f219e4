//! The rules of this repository that no compiler checks. A finding is one line, `FILE:LINE: RULE:
//! WHAT`. A line that has a reason to break a rule says so in a comment on it or above it:
//! `tidy: allow RULE, REASON`.

mod crates;
mod limits;
mod lines;
mod ratchet;
mod sources;

use std::fmt;
use std::path::Path;

use anyhow::bail;

use sources::Source;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.what)
    }
}

/// Checks every rule on the workspace at `root`.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let sources = sources::read(root)?;
    let mut findings = crates::check(&sources)?;
    findings.extend(sources.iter().flat_map(lines::check));
    findings.extend(limits::check(&sources));
    findings.extend(ratchet::check(&sources));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} rules broken"),
    }
}

/// Writes which files are too long, and how long, so that they may only shrink from here.
pub(crate) fn write_ratchet(root: &Path) -> anyhow::Result<()> {
    ratchet::write(root, &sources::read(root)?)
}
