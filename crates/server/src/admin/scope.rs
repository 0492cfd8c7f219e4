//! What an API token is good for: areas, to read or to write.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What an API token may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what it says")]
pub enum Scope {
    AccountsRead,
    AccountsWrite,
    UploadsRead,
    UploadsWrite,
    SessionsRead,
    SessionsWrite,
    InvitesRead,
    InvitesWrite,
    AnnouncementsWrite,
    StatisticsRead,
    AuditRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = &[
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::UploadsRead,
        Self::UploadsWrite,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::InvitesRead,
        Self::InvitesWrite,
        Self::AnnouncementsWrite,
        Self::StatisticsRead,
        Self::AuditRead,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::UploadsRead => "uploads:read",
            Self::UploadsWrite => "uploads:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::InvitesRead => "invites:read",
            Self::InvitesWrite => "invites:write",
            Self::AnnouncementsWrite => "announcements:write",
            Self::StatisticsRead => "statistics:read",
            Self::AuditRead => "audit:read",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            format!("\"{}\" is no scope: there are {}", text.escape_debug(), known.join(", "))
        })
    }
}

/// Some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Whether that one is among them.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// As they are stored. A later program's scopes are left out.
    pub(super) fn from_stored(text: &str) -> Self {
        text.split(' ').filter_map(|scope| scope.parse().ok()).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_come_back_as_they_were_stored() {
        let all: Scopes = Scope::ALL.iter().copied().collect();
        assert_eq!(Scopes::from_stored(&all.to_string()), all);
        assert!(all.has(Scope::AuditRead) && !Scopes::default().has(Scope::AuditRead));
        assert_eq!(Scopes::from_stored("accounts:read coffee:make").to_string(), "accounts:read");
        assert!("accounts".parse::<Scope>().unwrap_err().starts_with("\"accounts\" is no scope: there are accounts:"));
    }
}
