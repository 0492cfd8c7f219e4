//! What happened in a run, as the devices saw it: the oracle judges by this and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The number of a message; its body is `m` and this.
pub type MessageNo = usize;
/// The number of a session, in the order in which they were bound.
pub type SessionNo = usize;
/// The number of a user.
pub type User = usize;
/// Counts what happened; later things have greater moments.
pub type Moment = usize;

/// How much of a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is archived and waits for the recipient.
    Archived,
    /// It waits for the recipient only (`no-permanent-store`).
    UntilDelivered,
}

/// What the sender knows of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Neither acknowledged nor refused.
    Unknown,
    /// The server has said that it handled it.
    Acknowledged,
    /// The server has refused it.
    Refused,
}

/// A message somebody sent.
#[derive(Debug)]
pub struct Sent {
    pub from: User,
    pub session: SessionNo,
    pub to: User,
    /// The resource it was addressed to; none for the bare JID.
    pub resource: Option<String>,
    pub keeping: Keeping,
    pub at: Moment,
    pub fate: Fate,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Direct,
    CarbonSent,
    CarbonReceived,
}

/// A message a session got.
#[derive(Debug)]
pub struct Seen {
    pub message: MessageNo,
    pub way: Way,
}

/// A bound resource, through all its connections.
#[derive(Debug)]
pub struct SessionRecord {
    pub user: User,
    pub resource: String,
    /// Since when the server is known to know that it wants carbons.
    pub carbons_since: Option<Moment>,
    /// Since when the server is known to send it what is for the bare JID.
    pub available_since: Option<Moment>,
    pub seen: Vec<Seen>,
    /// It could still be used when the script was over, and took everything that waited.
    pub lived: bool,
}

/// A page read from an archive.
#[derive(Debug)]
pub struct PageRead {
    pub user: User,
    pub after: Option<String>,
    pub entries: Vec<(String, Option<MessageNo>)>,
}

/// The whole run.
#[derive(Debug, Default)]
pub struct Record {
    pub log: Vec<String>,
    pub messages: Vec<Sent>,
    pub sessions: Vec<SessionRecord>,
    pub pages: Vec<PageRead>,
    /// The stanza-ids under which users saw messages.
    pub stanza_ids: BTreeMap<(User, MessageNo), Vec<String>>,
    /// What should never happen, found on the way.
    pub problems: Vec<String>,
    moments: Moment,
}

impl Record {
    pub fn moment(&mut self) -> Moment {
        self.moments += 1;
        self.moments
    }

    pub fn saw_id(&mut self, user: User, message: MessageNo, id: &str) {
        let ids = self.stanza_ids.entry((user, message)).or_default();
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }

    pub fn transcript(&self) -> String {
        self.log.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    }
}
