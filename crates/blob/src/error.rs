//! What can go wrong between this crate and a store, in one line that says what to do.

use std::path::Path;

use crate::limits;

/// An error of a store. What is not there is no error: it is `None`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL names no store.
    #[error("store url: {0}; use file:FOLDER or s3://BUCKET?endpoint=https://HOST&region=REGION")]
    Url(String),
    /// Nobody said who we are.
    #[error("{0} needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")]
    Credentials(String),
    /// The store is not reachable, or not able to answer now.
    #[error("{store} is unavailable, try again later: {why}")]
    Unavailable {
        /// Which one.
        store: String,
        /// What was heard of it.
        why: String,
    },
    /// The bucket is not there.
    #[error("{0} is not there: create the bucket, or correct its name")]
    NoBucket(String),
    /// The store refused.
    #[error("{store} refuses access: {why}")]
    Denied {
        /// Which one.
        store: String,
        /// What it said.
        why: String,
    },
    /// What was written could not be read back.
    #[error("the store does not give back what was written to it")]
    NoTrial,
    /// The disk is full.
    #[error("{0}: the disk is full")]
    Full(String),
    /// The operating system failed to read or write.
    #[error("{path}: {why}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the operating system said.
        why: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anything being mended.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full(_))
    }

    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        let path = path.display().to_string();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Self::Denied { store: path, why: String::from("give the folder to the user that runs this program") }
            }
            std::io::ErrorKind::StorageFull => Self::Full(path),
            _ => Self::Io { path, why: error.to_string() },
        }
    }

    /// The error of a request to `store`.
    pub(crate) fn request(store: &str, error: &object_store::Error) -> Self {
        use object_store::Error as Said;
        let said = error.to_string();
        let why = one_line(&said);
        let store = store.to_owned();
        match error {
            _ if said.contains("NoSuchBucket") => Self::NoBucket(store),
            Said::PermissionDenied { .. } | Said::Unauthenticated { .. } => Self::Denied { store, why },
            // A list that is refused comes as an error of no kind.
            _ if REFUSALS.iter().any(|refusal| said.contains(refusal)) => Self::Denied { store, why },
            _ => Self::Unavailable { store, why },
        }
    }
}

/// Codes by which S3 says that a key is unknown, wrong, or not allowed this.
const REFUSALS: [&str; 3] =
    ["<Code>AccessDenied</Code>", "<Code>InvalidAccessKeyId</Code>", "<Code>SignatureDoesNotMatch</Code>"];

/// A store answers with XML and with chains of causes: the front of it, on one line.
fn one_line(said: &str) -> String {
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(limits::ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_fits_on_a_line() {
        let said = format!("Error:\n  <Code>Slow</Code>\n{}", "x".repeat(5000));
        let line = one_line(&said);
        assert!(line.starts_with("Error: <Code>Slow</Code> xxx") && line.chars().count() == limits::ERROR_CHARS_MAX);
    }

    #[test]
    fn only_what_passes_by_itself_is_temporary() {
        assert!(Error::Full("disk".into()).is_temporary());
        assert!(Error::Unavailable { store: "s".into(), why: "w".into() }.is_temporary());
        assert!(!Error::NoBucket("s".into()).is_temporary());
    }
}
