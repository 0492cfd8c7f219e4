//! What an object is called: parts of plain characters between slashes, the same in a folder and in S3.

use std::{fmt, str::FromStr};

use crate::limits;

/// An object's name, or the front part of many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes; at least one.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// What stands after the last slash.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// This name with further parts below it.
    ///
    /// # Errors
    /// When that is no name.
    pub fn join(&self, below: &str) -> Result<Self, ParseNameError> {
        format!("{}/{below}", self.0).parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name: parts of letters, digits, `-`, `_` and `.` between slashes, none empty, too long or with a dot
/// in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object")]
pub struct ParseNameError;

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let part = |part: &str| {
            (1..=limits::NAME_PART_BYTES_MAX).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(plain)
        };
        let is_name = text.len() <= limits::NAME_BYTES_MAX && text.split('/').all(part);
        if is_name { Ok(Self(text.to_owned())) } else { Err(ParseNameError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_its_folder() {
        for good in ["a", "a/b-c_d.e", &"x".repeat(limits::NAME_PART_BYTES_MAX)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let long = vec!["x".repeat(100); 6].join("/");
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".a", "a/.b", "a b", "ä", "a\\b", "a~b", "a\0", &long]
        {
            assert_eq!(bad.parse::<Name>(), Err(ParseNameError), "{bad:?}");
        }
    }

    #[test]
    fn names_are_joined_and_taken_apart() {
        let name = "backups".parse::<Name>().unwrap().join("one/manifest").unwrap();
        assert_eq!(name.parts().collect::<Vec<_>>(), ["backups", "one", "manifest"]);
        assert_eq!(name.last(), "manifest");
        assert!(name.join("..").is_err());
    }
}
