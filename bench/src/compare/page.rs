//! The page that the tables are written to, and what others have written below them.

/// The page with a new first part, which begins it.
pub(super) fn with_table(first: &str, page: &str) -> String {
    format!("{first}{}", page.find("\n## ").and_then(|start| page.get(start..)).unwrap_or_default())
}

/// The page with a new text for a section; one that is not there yet becomes the first.
pub(super) fn with_section(title: &str, text: &str, page: &str) -> String {
    let heading = format!("\n## {title}\n");
    let (before, rest) = match page.split_once(&heading) {
        Some((before, section)) => {
            (before, section.find("\n## ").and_then(|end| section.get(end..)).unwrap_or_default())
        }
        None => page.split_at_checked(page.find("\n## ").unwrap_or(page.len())).unwrap_or((page, "")),
    };
    format!("{before}{heading}\n{text}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Benchmarks\n\nthe table\n\n## On databases\n\nold\n\n## A million sessions\n\n10 KiB\n";

    #[test]
    fn a_new_table_leaves_the_sections_below_it_alone() {
        let page = with_table("# Benchmarks\n\nanother\n", PAGE);
        assert_eq!(page, PAGE.replace("the table", "another"));
        assert_eq!(with_table("# Benchmarks\n", ""), "# Benchmarks\n");
    }

    #[test]
    fn a_new_section_takes_the_place_of_the_old_one() {
        assert_eq!(with_section("On databases", "new\n", PAGE), PAGE.replace("old", "new"));
        let last = with_section("A million sessions", "2 KiB\n", PAGE);
        assert_eq!(last, PAGE.replace("10 KiB", "2 KiB"));
    }

    #[test]
    fn a_section_that_was_not_there_comes_first() {
        let page = with_section("More", "text\n", PAGE);
        assert_eq!(page, PAGE.replace("\n## On databases", "\n## More\n\ntext\n\n## On databases"));
        assert_eq!(with_section("More", "text\n", ""), "\n## More\n\ntext\n");
    }
}
