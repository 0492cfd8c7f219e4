//! How commands speak: failures as one line, standard output that may be closed early.

use std::fmt;
use std::io::Write;

/// Why a command failed, in one line for a person.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// `Failure` is no `Error` itself, so that every error becomes one with `?`.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Writes one line to standard output. A reader that went away (`| head`) is no failure.
pub(super) fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line for what could not be done to a file.
pub(super) fn file_failure(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}
