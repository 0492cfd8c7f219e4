//! What an account owns, counted: for the report of its deletion, and of what a person is given.

use crate::{AccountId, Db, Error, Statement, roster};

/// How many rows of each kind belong to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owned {
    /// Messages in the archive.
    pub messages: u64,
    /// Messages that are kept only until they are delivered.
    pub transient: u64,
    /// Messages, of both kinds, that no device has yet.
    pub undelivered: u64,
    /// Contacts.
    pub contacts: u64,
    /// Subscription requests that wait for an answer.
    pub requests: u64,
    /// Blocked JIDs.
    pub blocked: u64,
    /// Devices.
    pub devices: u64,
    /// Tokens by which devices log in.
    pub tokens: u64,
    /// Invitations that were made to become a contact.
    pub invites: u64,
    /// Elements of private XML.
    pub private_xml: u64,
    /// Visiting cards: none or one.
    pub vcards: u64,
    /// Files that were uploaded.
    pub uploads: u64,
    /// Nodes of personal events.
    pub pubsub_nodes: u64,
    /// Items published to them.
    pub pubsub_items: u64,
}

impl Owned {
    /// Each kind with its name, in the order of a report.
    pub fn kinds(&self) -> [(&'static str, u64); 14] {
        [
            ("messages", self.messages),
            ("transient", self.transient),
            ("undelivered", self.undelivered),
            ("contacts", self.contacts),
            ("requests", self.requests),
            ("blocked", self.blocked),
            ("devices", self.devices),
            ("tokens", self.tokens),
            ("invites", self.invites),
            ("private_xml", self.private_xml),
            ("vcards", self.vcards),
            ("uploads", self.uploads),
            ("pubsub_nodes", self.pubsub_nodes),
            ("pubsub_items", self.pubsub_items),
        ]
    }
}

/// Counts what an account owns. Reads an index of its whole archive.
pub async fn count(db: &Db, owner: AccountId) -> Result<Owned, Error> {
    let counted = async |sql| {
        let row = db.query_one(Statement::new(sql, [owner.into()])).await?;
        row.map_or(Ok(0), |mut row| row.count())
    };
    let items = roster::load(db, owner).await?.items;
    Ok(Owned {
        messages: counted("SELECT COUNT(*) FROM archive WHERE owner = ?").await?,
        transient: counted("SELECT COUNT(*) FROM transient WHERE owner = ?").await?,
        undelivered: counted("SELECT COUNT(*) FROM undelivered WHERE owner = ?").await?,
        contacts: count_of(items.iter().filter(|item| item.in_roster)),
        requests: count_of(items.iter().filter(|item| item.pending_in.is_some())),
        blocked: counted("SELECT COUNT(*) FROM blocklist WHERE owner = ?").await?,
        devices: counted("SELECT COUNT(*) FROM devices WHERE owner = ?").await?,
        tokens: counted("SELECT COUNT(*) FROM device_tokens WHERE owner = ?").await?,
        invites: counted("SELECT COUNT(*) FROM invites WHERE owner = ?").await?,
        private_xml: counted("SELECT COUNT(*) FROM private_xml WHERE owner = ?").await?,
        vcards: counted("SELECT COUNT(*) FROM vcards WHERE owner = ?").await?,
        uploads: counted("SELECT COUNT(*) FROM uploads WHERE owner = ? AND whole = 1").await?,
        pubsub_nodes: counted("SELECT COUNT(*) FROM pubsub_nodes WHERE owner = ?").await?,
        pubsub_items: counted("SELECT COUNT(*) FROM pubsub_items WHERE owner = ?").await?,
    })
}

fn count_of<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}
