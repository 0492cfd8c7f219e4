//! `cargo xtask budget`: instructions an operation costs, counted by valgrind's callgrind, against `xtask/budget.txt`.
//!
//! A count does not depend on what else the machine does, as a time does. Each example takes a number of operations;
//! running it with two numbers leaves its start and end out of the count.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

const FILE: &str = "xtask/budget.txt";
/// What a run may cost beyond the budget: compilers and libraries differ.
const TOLERANCE_PERCENT: u64 = 10;
const FEW: u64 = 1000;
const MANY: u64 = 11_000;

/// One line of the budget.
struct Item<'a> {
    package: &'a str,
    example: &'a str,
    /// Instructions for one operation.
    budget: u64,
}

/// Counts, and fails where the count is beyond the budget.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
    let mut over = 0;
    for item in read(&text)? {
        let cost = cost(root, &item)?;
        let Item { example, budget, .. } = item;
        println!("{example}: {cost} instructions, budget {budget}");
        if is_over(cost, budget) {
            eprintln!("{example}: more than {TOLERANCE_PERCENT} % beyond its budget");
            over += 1;
        }
    }
    ensure!(over == 0, "{over} of {FILE} over budget: find out why, or write the new count down and say why");
    Ok(())
}

/// Counts, and writes the counts down as the budget.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
    let mut out: String =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    for item in read(&text)? {
        out.push_str(&format!("{} {} {}\n", item.package, item.example, cost(root, &item)?));
    }
    fs::write(root.join(FILE), out).context(FILE)
}

fn read(text: &str) -> anyhow::Result<Vec<Item<'_>>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [package, example, budget] = words.as_slice() else { bail!("{FILE}: not three words: {line}") };
            Ok(Item { package, example, budget: budget.parse().with_context(|| format!("{FILE}: {line}"))? })
        })
        .collect()
}

fn is_over(cost: u64, budget: u64) -> bool {
    cost * 100 > budget * (100 + TOLERANCE_PERCENT)
}

fn cost(root: &Path, item: &Item<'_>) -> anyhow::Result<u64> {
    let Item { package, example, .. } = item;
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).args(["build", "--quiet", "--release", "--package", package, "--example", example]);
    ensure!(build.status()?.success(), "{example} could not be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let counts = target.join("budget");
    fs::create_dir_all(&counts)?;
    let count = |operations| {
        let out = counts.join(format!("{example}.{operations}"));
        count(&target.join("release/examples").join(example), operations, &out)
    };
    let (few, many) = (count(FEW)?, count(MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

/// Instructions of one run; where they were spent stays in `out` for `callgrind_annotate`.
fn count(binary: &Path, operations: u64, out: &Path) -> anyhow::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(binary).arg(operations.to_string()).stdout(Stdio::null());
    let status = valgrind.status().context("valgrind is missing: install the Debian package of that name")?;
    ensure!(status.success(), "{} failed under valgrind", binary.display());
    let text = fs::read_to_string(out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).with_context(|| format!("no total in {}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_a_package_an_example_and_a_number_a_line() {
        let items = read("# Head.\nxmpp scan 1000\n").unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!((items[0].package, items[0].example, items[0].budget), ("xmpp", "scan", 1000));
        assert!(read("xmpp scan").is_err() && read("xmpp scan many").is_err());
    }

    #[test]
    fn a_tenth_beyond_the_budget_is_allowed_and_no_more() {
        assert!(!is_over(1100, 1000));
        assert!(is_over(1101, 1000));
        assert!(!is_over(1, 1000));
    }
}
