//! Uploads of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use storage::uploads::{Listed, UploadId, Usage};
use utoipa::ToSchema;

use super::access::Access;
use super::asked::{self, Account, Asked, OfAccount, Page};
use super::problems::Problems;
use crate::admin::scope::Scope;
use crate::admin::uploads;
use crate::clock;
use crate::host::Host;
use crate::http::Problem;

/// An upload: what its owner said of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Upload)]
pub(super) struct View {
    /// Its id; says nothing of its address.
    id: String,
    /// What it is called.
    file_name: String,
    /// Its media type; null where none was said.
    content_type: Option<String>,
    /// Its size.
    bytes: u64,
    /// Whether all of it is there; otherwise it is an open slot.
    whole: bool,
    /// When it was whole, or the slot was granted.
    #[schema(format = DateTime)]
    at: String,
}

/// Some uploads of an account, by their ids.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadList {
    uploads: Vec<View>,
    /// What to ask for `after`; null at the end.
    next: Option<String>,
}

/// What the uploads of an account take.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadUsage {
    /// How many files.
    files: u64,
    /// Bytes of their contents; equal contents count once.
    bytes: u64,
    /// How many open slots.
    slots: u64,
    /// Bytes that were promised for them.
    slot_bytes: u64,
    /// Bytes that files and slots may take together.
    quota_bytes: u64,
}

impl UploadUsage {
    /// Seen against the quota.
    pub(super) fn of(host: &Host, usage: Usage) -> Self {
        let Usage { files, bytes, slots, slot_bytes } = usage;
        Self { files, bytes, slots, slot_bytes, quota_bytes: host.config.media.quota }
    }
}

/// List what an account has uploaded
#[utoipa::path(get, path = "/admin/v1/accounts/{username}/uploads", tag = "uploads",
    params(("username" = String, Path, description = "The part of the JID before the @"), Page),
    responses((status = 200, description = "A page of uploads", body = UploadList), Problems))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    access: Access,
    Account(jid): Account,
    Asked(page): Asked<Page>,
) -> Result<Json<UploadList>, Problem> {
    access.needs(Scope::UploadsRead)?;
    let limit = page.limit(&host)?;
    let after = match &page.after {
        Some(after) => Some(UploadId::parse(after).ok_or_else(asked::bad_cursor)?),
        None => None,
    };
    let found = uploads::list(&host, &jid, after, limit).await?;
    let next = found.last().filter(|_| found.len() >= limit as usize).map(|last| last.id.to_string());
    Ok(Json(UploadList { uploads: found.into_iter().map(view).collect(), next }))
}

/// Remove an upload, for good
#[utoipa::path(delete, path = "/admin/v1/accounts/{username}/uploads/{id}", tag = "uploads",
    params(("username" = String, Path, description = "The part of the JID before the @"),
        ("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone"), Problems))]
pub(super) async fn remove(
    State(host): State<Arc<Host>>,
    access: Access,
    OfAccount(jid, id): OfAccount,
) -> Result<StatusCode, Problem> {
    let actor = access.needs(Scope::UploadsWrite)?;
    let id = UploadId::parse(&id).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such upload"))?;
    uploads::remove(&host, &actor, &jid, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(upload: Listed) -> View {
    let Listed { id, whole, at_ms, described } = upload;
    View {
        id: id.to_string(),
        file_name: described.file_name,
        content_type: Some(described.content_type).filter(|kind| !kind.is_empty()),
        bytes: described.bytes,
        whole,
        at: clock::xmpp_time(at_ms),
    }
}
