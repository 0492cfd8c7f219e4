//! What an account has uploaded, as operators see it and take it away: what was said of each file, never what is in it,
//! nor the address by which others read it.

use jid::BareJid;
use storage::accounts::Account;
use storage::uploads::{self, Listed, UploadId, Usage};

use super::{Action, Actor, Change, Error, recorded};
use crate::host::Host;
use crate::provisioning;

/// Uploads read at a time when all are removed.
const PAGE: u32 = 250;

/// What the uploads of an account take now; what they may take is `media.quota`.
///
/// # Errors
/// Those of the database.
pub async fn usage(host: &Host, account: &Account) -> Result<Usage, Error> {
    Ok(uploads::usage(&host.db, account.id, host.clock.now_ms()).await?)
}

/// Up to `limit` uploads of an account, files and open slots, ordered by id, those after `after`.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn list(host: &Host, jid: &BareJid, after: Option<UploadId>, limit: u32) -> Result<Vec<Listed>, Error> {
    let account = provisioning::stored(host, jid).await?;
    Ok(uploads::list(&host.db, account.id, after, limit).await?)
}

/// Removes one upload: its address answers nobody any more, and its content goes with the last upload that has it.
///
/// # Errors
/// [`Error::Missing`] when the account has no such upload, [`Error::Account`] when there is no such account.
pub async fn remove(host: &Host, actor: &Actor, jid: &BareJid, id: UploadId) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::UploadRemove, jid).with(id), async {
        let account = provisioning::stored(host, jid).await?;
        if !uploads::remove(&host.db, account.id, id).await? {
            return Err(Error::Missing("upload"));
        }
        host.media.clean_up_soon();
        Ok(())
    })
    .await
}

/// Removes every upload that an account has, as one change; how many.
///
/// # Errors
/// [`Error::Account`] when there is no such account. When the database fails, some may be gone.
pub async fn remove_all(host: &Host, actor: &Actor, jid: &BareJid) -> Result<u64, Error> {
    recorded(host, actor, Change::to(Action::UploadRemove, jid).with("all"), async {
        let account = provisioning::stored(host, jid).await?;
        let (mut after, mut removed) = (None, 0);
        loop {
            let page = uploads::list(&host.db, account.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            // What is uploaded meanwhile may stay: this ends.
            after = Some(last.id);
            for upload in &page {
                removed += u64::from(uploads::remove(&host.db, account.id, upload.id).await?);
            }
        }
        host.media.clean_up_soon();
        Ok(removed)
    })
    .await
}
