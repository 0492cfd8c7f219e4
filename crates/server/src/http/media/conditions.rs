//! RFC 9110 §13 and §14: whether the client has it already, and which bytes it wants. An upload never changes, so its tag
//! stands for its bytes.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// The client has it.
    NotModified,
    /// There are no such bytes.
    Unsatisfiable,
}

/// Decides on a request for `bytes` bytes with this tag.
pub(super) fn decide(headers: &HeaderMap, tag: &str, bytes: u64) -> Answer {
    let all = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let is_ours = |given: &str| given.trim().trim_start_matches("W/") == tag;
    let known = |value: &str| value.trim() == "*" || value.split(',').any(is_ours);
    if all(header::IF_NONE_MATCH).any(known) {
        return Answer::NotModified;
    }
    // §13.1.5 compares strongly; a date never matches, there is none.
    let holds = all(header::IF_RANGE).all(|given| given.trim() == tag);
    match all(header::RANGE).next().filter(|_| holds) {
        Some(range) => of_range(range, bytes),
        None => Answer::Whole,
    }
}

/// One range; several, other units and what is malformed are ignored, as §14.2 lets us.
fn of_range(range: &str, bytes: u64) -> Answer {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|set| set.trim().split_once('-')) else {
        return Answer::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            None => Answer::Whole,
            Some(0) => Answer::Unsatisfiable,
            Some(suffix) => Answer::Part(bytes.saturating_sub(suffix)..bytes),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), _) if first >= bytes && (last.is_empty() || number(last).is_some()) => Answer::Unsatisfiable,
            (Some(first), None) if last.is_empty() => Answer::Part(first..bytes),
            (Some(first), Some(last)) if last >= first => Answer::Part(first..last.saturating_add(1).min(bytes)),
            _ => Answer::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(fields: &[(&'static str, &str)]) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        decide(&headers, "\"a1\"", 1_000)
    }

    #[test]
    fn ranges_are_of_bytes_and_single() {
        for (range, answer) in [
            ("bytes=0-0", Answer::Part(0..1)),
            ("bytes=0-", Answer::Part(0..1_000)),
            ("bytes=500-599", Answer::Part(500..600)),
            ("bytes=500-5000", Answer::Part(500..1_000)),
            ("bytes=999-999", Answer::Part(999..1_000)),
            ("bytes=-100", Answer::Part(900..1_000)),
            ("bytes=-5000", Answer::Part(0..1_000)),
            ("bytes=-0", Answer::Unsatisfiable),
            ("bytes=1000-", Answer::Unsatisfiable),
            ("bytes=1000-2000", Answer::Unsatisfiable),
            ("bytes=0-0,5-6", Answer::Whole),
            ("bytes=9-5", Answer::Whole),
            ("bytes=a-b", Answer::Whole),
            ("bytes=+1-2", Answer::Whole),
            ("bytes=99999999999999999999-", Answer::Whole),
            ("items=0-1", Answer::Whole),
            ("bytes=-", Answer::Whole),
        ] {
            assert_eq!(decided(&[("range", range)]), answer, "{range}");
        }
    }

    #[test]
    fn a_tag_tells_whether_the_client_has_it() {
        let range = ("range", "bytes=0-0");
        for known in ["\"a1\"", "\"b\", \"a1\"", "W/\"a1\"", "*"] {
            assert_eq!(decided(&[("if-none-match", known), range]), Answer::NotModified, "{known}");
        }
        assert_eq!(decided(&[("if-none-match", "\"b\"")]), Answer::Whole);
        assert_eq!(decided(&[("if-range", "\"a1\""), range]), Answer::Part(0..1));
        for other in ["\"b\"", "W/\"a1\"", "Tue, 24 Nov 2026 10:00:00 GMT"] {
            assert_eq!(decided(&[("if-range", other), range]), Answer::Whole, "{other}");
        }
    }
}
