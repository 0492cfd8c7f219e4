//! The text format of Prometheus, version 0.0.4: families of samples, each with its help and its type.

use std::fmt::{Display, Write as _};

use storage::Observed;

/// What a family of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations within bounds.
    Histogram,
}

/// A text that families are added to.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// One family, while its samples are added.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a family; a counter's name ends in `_total`.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }

    /// A family with one sample.
    pub fn one(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a sample with its labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, None, &value);
    }

    /// Adds a histogram; `unit` is how many of what was observed make one of the family's unit.
    pub fn histogram(&mut self, labels: &[(&str, &str)], observed: &Observed, unit: f64) {
        for (bound, count) in &observed.within {
            let bound = (*bound as f64 / unit).to_string();
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_bucket", labels, Some("+Inf"), &observed.count);
        self.line("_sum", labels, None, &(observed.sum as f64 / unit));
        self.line("_count", labels, None, &observed.count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<&str>, value: &dyn Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (label, value) in labels {
            let _ = write!(self.text, "{separator}{label}=\"{}\"", Escaped(value));
            separator = ',';
        }
        self.text.push_str(if separator == ',' { "} " } else { " " });
        let _ = writeln!(self.text, "{value}");
    }
}

/// A label's value.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.one("up", Kind::Gauge, "Whether it is up.", 1);
        let mut family = text.family("stanzas_total", Kind::Counter, "Stanzas.");
        family.sample(&[("kind", "iq"), ("odd", "a\"b\\c\nd")], 7);
        let histogram = storage::Histogram::<3>::new(&[500, 2_000_000]);
        [400, 1_500_000, 3_000_000].into_iter().for_each(|micros| histogram.observe(micros));
        text.family("commit_seconds", Kind::Histogram, "Commits.").histogram(&[], &histogram.read(), 1e6);
        assert_eq!(
            text.into_text(),
            "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n\
             # HELP stanzas_total Stanzas.\n# TYPE stanzas_total counter\n\
             stanzas_total{kind=\"iq\",odd=\"a\\\"b\\\\c\\nd\"} 7\n\
             # HELP commit_seconds Commits.\n# TYPE commit_seconds histogram\n\
             commit_seconds_bucket{le=\"0.0005\"} 1\ncommit_seconds_bucket{le=\"2\"} 2\n\
             commit_seconds_bucket{le=\"+Inf\"} 3\ncommit_seconds_sum 4.5004\ncommit_seconds_count 3\n"
        );
    }
}
