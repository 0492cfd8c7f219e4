//! The audit log: an entry before a change, its outcome after it. A change whose entry cannot be written is not made.

use std::sync::atomic::{AtomicU32, Ordering};

use storage::ArchiveId;
use storage::audit::{self, Entry};

use super::{Actor, Error};
use crate::c2s;
use crate::host::Host;

/// Entries between two looks for old ones.
const PURGE_EVERY: u32 = 64;
/// Numbers tried for an entry; one millisecond has a million.
const NUMBERS_TRIED: u32 = 8;

/// The log's own counter, a port of [`Host`].
#[derive(Debug, Default)]
pub struct Audit {
    written: AtomicU32,
}

/// Every kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it says")]
pub enum Action {
    AccountCreate,
    AccountPassword,
    AccountDisable,
    AccountEnable,
    AccountDelete,
    AccountImport,
    DeviceRevoke,
    UploadRemove,
    SessionsEnd,
    InviteCreate,
    InviteUse,
    InviteRevoke,
    AnnouncementSend,
    TokenCreate,
    TokenRevoke,
    MasterKeyRotate,
}

impl Action {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::AccountCreate,
        Self::AccountPassword,
        Self::AccountDisable,
        Self::AccountEnable,
        Self::AccountDelete,
        Self::AccountImport,
        Self::DeviceRevoke,
        Self::UploadRemove,
        Self::SessionsEnd,
        Self::InviteCreate,
        Self::InviteUse,
        Self::InviteRevoke,
        Self::AnnouncementSend,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::MasterKeyRotate,
    ];

    /// Its name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreate => "account.create",
            Self::AccountPassword => "account.password",
            Self::AccountDisable => "account.disable",
            Self::AccountEnable => "account.enable",
            Self::AccountDelete => "account.delete",
            Self::AccountImport => "account.import",
            Self::DeviceRevoke => "device.revoke",
            Self::UploadRemove => "upload.remove",
            Self::SessionsEnd => "sessions.end",
            Self::InviteCreate => "invite.create",
            Self::InviteUse => "invite.use",
            Self::InviteRevoke => "invite.revoke",
            Self::AnnouncementSend => "announcement.send",
            Self::TokenCreate => "token.create",
            Self::TokenRevoke => "token.revoke",
            Self::MasterKeyRotate => "master-key.rotate",
        }
    }
}

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Change {
    action: Action,
    target: Option<String>,
    detail: Option<String>,
}

impl Change {
    /// Of that kind, to that target.
    pub fn to(action: Action, target: impl ToString) -> Self {
        Self { action, target: Some(target.to_string()), detail: None }
    }

    /// Of that kind, to nobody in particular.
    #[must_use]
    pub fn of(action: Action) -> Self {
        Self { action, target: None, detail: None }
    }

    /// With a word more; never a secret, never the text of a message.
    #[must_use]
    pub fn with(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

/// Makes a change, with an entry in the log.
///
/// # Errors
/// Those of the change, and those of the database: then the change was not made.
pub async fn recorded<T>(
    host: &Host,
    actor: &Actor,
    change: Change,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let id = begin(host, actor, change).await?;
    let done = work.await;
    complete(host, id, done.as_ref().map_or_else(Error::outcome, |_| "done")).await;
    done
}

/// Writes the entry of a change that is about to be made.
pub(super) async fn begin(host: &Host, actor: &Actor, change: Change) -> Result<ArchiveId, Error> {
    let Change { action, target, detail } = change;
    tracing::info!(by = actor.via(), action = action.as_str(), "administration");
    let mut entry = Entry {
        id: number(host),
        action: action.as_str().to_owned(),
        via: actor.via().to_owned(),
        actor: actor.name(),
        target,
        detail,
        outcome: None,
    };
    for _ in 0..NUMBERS_TRIED {
        if audit::append(&host.db, &entry).await? {
            forget_old(host).await;
            return Ok(entry.id);
        }
        entry.id = number(host);
    }
    Err(storage::Error::Busy.into())
}

/// Says what became of it. The change holds also where that cannot be written.
pub(super) async fn complete(host: &Host, id: ArchiveId, outcome: &str) {
    if let Err(error) = audit::complete(&host.db, id, outcome).await {
        tracing::warn!(%error, "the outcome of a change is missing in the audit log");
    }
}

/// A number that has the time in it and chance below.
fn number(host: &Host) -> ArchiveId {
    let [a, b, c, ..] = c2s::random_bytes();
    let chance = i64::from(u32::from_be_bytes([0, a & 0x0f, b, c]));
    let first = ArchiveId::first_at(host.clock.now_ms());
    ArchiveId::from_i64(first.to_i64() | chance).unwrap_or(first)
}

async fn forget_old(host: &Host) {
    if !host.audit.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(PURGE_EVERY) {
        return;
    }
    let kept = host.config.limits.audit_entries_max;
    if kept == u64::MAX {
        return;
    }
    if let Err(error) = audit::purge(&host.db, kept).await {
        tracing::warn!(%error, "old entries of the audit log were not removed");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_change_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        assert!(names.iter().all(|name| name.len() <= 64), "that is how long the column is");
    }
}
