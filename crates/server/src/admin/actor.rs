//! Who makes a change.

use std::fmt;

use jid::BareJid;
use storage::InviteId;

/// Who makes a change, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody on the machine, with `whimbreld`.
    CommandLine,
    /// Whoever holds the API token of this name.
    Token(String),
    /// A user, with an ad-hoc command.
    User(BareJid),
    /// Whoever was invited.
    Invited(InviteId),
}

impl Actor {
    /// The way, as the audit log has it.
    #[must_use]
    pub fn via(&self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Token(_) => "token",
            Self::User(_) => "user",
            Self::Invited(_) => "invite",
        }
    }

    /// The name that belongs to the way.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::CommandLine => None,
            Self::Token(name) => Some(name.clone()),
            Self::User(jid) => Some(jid.to_string()),
            Self::Invited(id) => Some(id.to_string()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.via()),
            None => f.write_str(self.via()),
        }
    }
}
