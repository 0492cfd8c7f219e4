//! Accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jid::BareJid;
use serde::{Deserialize, Serialize};
use storage::AccountId;
use storage::accounts::Account as Row;
use storage::owned::Owned;
use utoipa::ToSchema;

use super::access::Access;
use super::asked::{self, Account, Asked, Body, Page};
use super::problems::{BodyProblems, Problems};
use super::uploads::UploadUsage;
use crate::admin::scope::Scope;
use crate::admin::{accounts, uploads};
use crate::clock;
use crate::host::Host;
use crate::http::Problem;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct View {
    /// Its name, the part of the JID before the @.
    username: String,
    /// Its address.
    jid: String,
    /// Whether it is kept from logging in.
    disabled: bool,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its last session ended.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    /// How many sessions it has on this node.
    sessions: u64,
    /// What its uploads take; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploads: Option<UploadUsage>,
}

/// Some accounts, in the order of their creation.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountList {
    accounts: Vec<View>,
    /// What to ask for `after`; null at the end.
    next: Option<String>,
}

/// An account to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// The part of the JID before the @.
    #[schema(min_length = 1, max_length = 1023)]
    username: String,
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    #[schema(min_length = 1, max_length = 1024)]
    password: String,
}

/// Whether an account is kept from logging in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disabled {
    disabled: bool,
}

/// What was removed with an account.
#[derive(Serialize, ToSchema)]
pub(super) struct Removed {
    jid: String,
    /// How many of each kind.
    removed: BTreeMap<String, u64>,
}

/// What an account owns.
#[derive(Serialize, ToSchema)]
pub(super) struct Usage {
    /// How many of each kind.
    owned: BTreeMap<String, u64>,
}

/// List accounts
#[utoipa::path(get, path = "/admin/v1/accounts", tag = "accounts", params(Page),
    responses((status = 200, description = "A page of accounts", body = AccountList), Problems))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    access: Access,
    Asked(page): Asked<Page>,
) -> Result<Json<AccountList>, Problem> {
    access.needs(Scope::AccountsRead)?;
    let limit = page.limit(&host)?;
    let after = match &page.after {
        Some(after) => Some(AccountId(after.parse().ok().filter(|id| *id > 0).ok_or_else(asked::bad_cursor)?)),
        None => None,
    };
    let rows = accounts::list(&host, after, limit).await?;
    let next = rows.last().filter(|_| rows.len() >= limit as usize).map(|last| last.id.0.to_string());
    Ok(Json(AccountList { accounts: rows.iter().map(|row| view(&host, row)).collect(), next }))
}

/// Create an account
#[utoipa::path(post, path = "/admin/v1/accounts", tag = "accounts", request_body = NewAccount,
    params(("Idempotency-Key" = Option<String>, Header, description = "Asked again with the same, it is answered again")),
    responses((status = 201, description = "It is there", body = View,
        headers(("Location" = String, description = "Where it is"))), Problems, BodyProblems))]
pub(super) async fn create(
    State(host): State<Arc<Host>>,
    access: Access,
    Body(new): Body<NewAccount>,
) -> Result<impl IntoResponse, Problem> {
    let actor = access.needs(Scope::AccountsWrite)?;
    let (jid, password) = (asked::account(&host, &new.username)?, asked::password(&new.password)?);
    accounts::create(&host, &actor, &jid, password).await?;
    let view = shown(&host, &jid).await?;
    let location = format!("/admin/v1/accounts/{}", encoded(&view.username));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)))
}

/// Show an account
#[utoipa::path(get, path = "/admin/v1/accounts/{username}", tag = "accounts",
    params(("username" = String, Path, description = "The part of the JID before the @")),
    responses((status = 200, description = "The account", body = View), Problems))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
) -> Result<Json<View>, Problem> {
    access.needs(Scope::AccountsRead)?;
    Ok(Json(shown(&host, &jid).await?))
}

/// Count what an account owns
#[utoipa::path(get, path = "/admin/v1/accounts/{username}/usage", tag = "accounts",
    params(("username" = String, Path, description = "The part of the JID before the @")),
    responses((status = 200, description = "What it owns", body = Usage), Problems))]
pub(super) async fn usage(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
) -> Result<Json<Usage>, Problem> {
    access.needs(Scope::AccountsRead)?;
    Ok(Json(Usage { owned: counts(&accounts::usage(&host, &jid).await?) }))
}

/// Set a new password
#[utoipa::path(put, path = "/admin/v1/accounts/{username}/password", tag = "accounts", request_body = NewPassword,
    params(("username" = String, Path, description = "The part of the JID before the @")),
    responses((status = 204, description = "It is changed"), Problems, BodyProblems))]
pub(super) async fn set_password(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let actor = access.needs(Scope::AccountsWrite)?;
    accounts::set_password(&host, &actor, &jid, asked::password(&new.password)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keep an account from logging in and end its sessions, or let it log in again
#[utoipa::path(put, path = "/admin/v1/accounts/{username}/disabled", tag = "accounts", request_body = Disabled,
    params(("username" = String, Path, description = "The part of the JID before the @")),
    responses((status = 200, description = "The account as it is now", body = View), Problems, BodyProblems))]
pub(super) async fn set_disabled(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
    Body(wanted): Body<Disabled>,
) -> Result<Json<View>, Problem> {
    let actor = access.needs(Scope::AccountsWrite)?;
    accounts::set_disabled(&host, &actor, &jid, wanted.disabled).await?;
    Ok(Json(shown(&host, &jid).await?))
}

/// Delete an account and all it owns, for good
#[utoipa::path(delete, path = "/admin/v1/accounts/{username}", tag = "accounts",
    params(("username" = String, Path, description = "The part of the JID before the @")),
    responses((status = 200, description = "It is gone", body = Removed), Problems))]
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
) -> Result<Json<Removed>, Problem> {
    let actor = access.needs(Scope::AccountsWrite)?;
    let owned = accounts::delete(&host, &actor, &jid).await?;
    Ok(Json(Removed { jid: jid.to_string(), removed: counts(&owned) }))
}

async fn shown(host: &Host, jid: &BareJid) -> Result<View, Problem> {
    let row = accounts::show(host, jid).await?;
    let uploads = UploadUsage::of(host, uploads::usage(host, &row).await?);
    Ok(View { uploads: Some(uploads), ..view(host, &row) })
}

fn view(host: &Host, row: &Row) -> View {
    View {
        username: row.localpart.clone(),
        jid: format!("{}@{}", row.localpart, host.domain),
        disabled: row.disabled,
        created_at: clock::xmpp_time(row.created_at_ms),
        last_seen_at: row.last_seen.as_ref().map(|seen| clock::xmpp_time(seen.at_ms)),
        sessions: u64::try_from(host.sessions.of(&row.localpart).len()).unwrap_or(u64::MAX),
        uploads: None,
    }
}

fn counts(owned: &Owned) -> BTreeMap<String, u64> {
    owned.kinds().into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let mut parts = url::Url::parse("http://x/").ok();
    if let Some(Ok(mut path)) = parts.as_mut().map(url::Url::path_segments_mut) {
        path.push(name);
    }
    parts.map_or_else(String::new, |url| url.path().trim_start_matches('/').to_owned())
}
