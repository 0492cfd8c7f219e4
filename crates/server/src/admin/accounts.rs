//! Accounts, as operators change and see them. What a change does is `provisioning`.

use std::sync::Arc;

use jid::BareJid;
use storage::accounts::{self, Account};
use storage::owned::{self, Owned};
use storage::{AccountId, DeviceId, devices};
use xmpp::sasl::Password;

use super::{Action, Actor, Change, Error, recorded};
use crate::host::Host;
use crate::provisioning;

/// Creates an account.
///
/// # Errors
/// [`Error::Account`] when the name is taken, reserved, or of another domain.
pub async fn create(host: &Host, actor: &Actor, jid: &BareJid, password: Password) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::AccountCreate, jid), async {
        Ok(provisioning::create(host, jid, password).await?)
    })
    .await
}

/// Replaces the password of an account. Its sessions stay.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn set_password(host: &Host, actor: &Actor, jid: &BareJid, password: Password) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::AccountPassword, jid), async {
        Ok(provisioning::set_password(host, jid, password).await?)
    })
    .await
}

/// Keeps an account from logging in and ends its sessions, or lets it log in again.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn set_disabled(host: &Host, actor: &Actor, jid: &BareJid, disabled: bool) -> Result<(), Error> {
    let action = if disabled { Action::AccountDisable } else { Action::AccountEnable };
    recorded(host, actor, Change::to(action, jid), async {
        let changed =
            if disabled { provisioning::disable(host, jid).await } else { provisioning::enable(host, jid).await };
        Ok(changed?)
    })
    .await
}

/// Deletes an account with all it owns; what that was.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn delete(host: &Arc<Host>, actor: &Actor, jid: &BareJid) -> Result<Owned, Error> {
    recorded(host, actor, Change::to(Action::AccountDelete, jid), async {
        let account = provisioning::stored(host, jid).await?;
        let owned = owned::count(&host.db, account.id).await?;
        provisioning::delete(host, jid, None).await?;
        Ok(owned)
    })
    .await
}

/// Takes the access of a device away, in the database; its sessions on this node end.
///
/// # Errors
/// [`Error::Missing`] when the account has no such device.
pub async fn revoke_device(host: &Host, actor: &Actor, jid: &BareJid, device: DeviceId) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::DeviceRevoke, jid).with(device), async {
        let account = provisioning::stored(host, jid).await?;
        if !devices::revoke(&host.db, account.id, device).await? {
            return Err(Error::Missing("device"));
        }
        crate::devices::end_sessions(host, &account.localpart, Some(device));
        Ok(())
    })
    .await
}

/// The account, as the database has it.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn show(host: &Host, jid: &BareJid) -> Result<Account, Error> {
    Ok(provisioning::stored(host, jid).await?)
}

/// What an account owns, counted. Reads an index of its whole archive.
///
/// # Errors
/// [`Error::Account`] when there is no such account.
pub async fn usage(host: &Host, jid: &BareJid) -> Result<Owned, Error> {
    let account = provisioning::stored(host, jid).await?;
    Ok(owned::count(&host.db, account.id).await?)
}

/// Up to `limit` accounts in the order of their creation, those after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(host: &Host, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Error> {
    Ok(accounts::list(&host.db, after, limit).await?)
}

/// The JID of an account of this server.
#[must_use]
pub fn jid_of(host: &Host, account: &Account) -> Option<BareJid> {
    let localpart = jid::NodePart::new(&account.localpart).ok()?;
    Some(BareJid::from_parts(Some(&localpart), host.domain.domain()))
}
