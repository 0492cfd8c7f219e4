//! Why a configuration cannot be used: each error reads as one line that names the place and the
//! way out.

use std::path::PathBuf;

use super::settings::Origin;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; `whimbreld init` writes one", path.display())]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file, or the value of a variable, is not TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where the text stands.
        origin: Origin,
        /// What the parser said, on one line.
        message: String,
    },
    /// A key that no part of the server reads.
    #[error("{origin}: unknown key `{key}`{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// Where the key stands.
        origin: Origin,
        /// The key as written, dotted.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A key with a value of the wrong kind or range.
    #[error("{origin}: `{key}` {problem}")]
    Value {
        /// Where the key stands.
        origin: Origin,
        /// The key, dotted.
        key: String,
        /// What the value must be.
        problem: String,
    },
    /// A key without which the server cannot start.
    #[error("{}: `{key}` is missing: add `{example}`", path.display())]
    Missing {
        /// The configuration file.
        path: PathBuf,
        /// The key, dotted.
        key: &'static str,
        /// A line that would do.
        example: &'static str,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(", did you mean `{nearest}`?"))
}
