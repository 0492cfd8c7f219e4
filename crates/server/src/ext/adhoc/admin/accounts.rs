//! Commands that create, change and delete accounts (XEP-0133 §4.1 to §4.4 and §4.7).

use std::collections::BTreeSet;

use jid::BareJid;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::xep::data_form::{self, Submission};

use super::form;
use crate::admin::accounts;
use crate::ext::Request;
use crate::host::Host;
use crate::provisioning;

pub(super) fn add_form() -> Xml {
    let fields = vec![
        form::account_field("The Jabber ID for the account to be added"),
        data_form::field("password", "text-private", "The password for this account", true),
        data_form::field("password-verify", "text-private", "Retype password", false),
    ];
    form::form("Adding a User", "Fill out this form to add a user.", fields)
}

pub(super) async fn add(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let (jid, password) = (form::account(form)?, form::password(form)?);
    Ok(accounts::create(request.host, &form::actor(request), &jid, password).await?)
}

pub(super) fn delete_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) to delete")];
    form::form("Deleting a User", "Fill out this form to delete a user.", fields)
}

pub(super) async fn delete(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let named = others(request, form).await?;
    for jid in &named {
        accounts::delete(request.host, &form::actor(request), jid).await?;
    }
    Ok(())
}

pub(super) fn disable_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) to disable")];
    form::form("Disabling a User", "Fill out this form to disable a user.", fields)
}

pub(super) async fn disable(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let named = others(request, form).await?;
    for jid in &named {
        accounts::set_disabled(request.host, &form::actor(request), jid, true).await?;
    }
    Ok(())
}

pub(super) fn reenable_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) to re-enable")];
    form::form("Re-Enable a User", "Fill out this form to re-enable a user.", fields)
}

pub(super) async fn reenable(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let named = existing(request.host, form::accounts(form)?).await?;
    for jid in &named {
        accounts::set_disabled(request.host, &form::actor(request), jid, false).await?;
    }
    Ok(())
}

pub(super) fn password_form() -> Xml {
    let fields = vec![
        form::account_field("The Jabber ID for this account"),
        data_form::field("password", "text-private", "The password for this account", true),
    ];
    form::form("Changing a User Password", "Fill out this form to change a user's password.", fields)
}

pub(super) async fn change_password(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let (jid, password) = (form::account(form)?, form::password(form)?);
    Ok(accounts::set_password(request.host, &form::actor(request), &jid, password).await?)
}

/// The accounts of a form, provided that all exist and none is the administrator's own: the last one who can mend a
/// mistake must not be locked out by it.
async fn others(request: &Request<'_>, form: &Submission) -> Result<BTreeSet<BareJid>, StanzaError> {
    let accounts = form::accounts(form)?;
    if accounts.contains(&request.from.to_bare()) {
        return Err(StanzaError::with_text(Condition::NotAllowed, "not with the account that asks"));
    }
    existing(request.host, accounts).await
}

/// The same accounts when all exist, so that a misspelt one stops the command before it has changed anything.
async fn existing(host: &Host, accounts: BTreeSet<BareJid>) -> Result<BTreeSet<BareJid>, StanzaError> {
    for jid in &accounts {
        provisioning::stored(host, jid).await?;
    }
    Ok(accounts)
}
