//! The audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use storage::ArchiveId;
use storage::audit::{self, Entry};
use utoipa::{IntoParams, ToSchema};

use super::access::Access;
use super::asked::{self, Asked};
use super::problems::Problems;
use crate::admin::Error;
use crate::admin::scope::Scope;
use crate::clock;
use crate::host::Host;
use crate::http::Problem;

/// A change.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct View {
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// By which way: command-line, token, user (an ad-hoc command), invite.
    via: String,
    /// Who: the name of the token, the JID of the user, the id of the invitation.
    actor: Option<String>,
    /// What, such as account.create.
    action: String,
    /// To whom or what.
    target: Option<String>,
    detail: Option<String>,
    /// What became of it: done, exists, missing, refused or failed; null where the server did not live to say.
    outcome: Option<String>,
}

/// Some changes, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditLog {
    entries: Vec<View>,
    /// What to ask for `before`; null at the end.
    next: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Earlier {
    /// The `next` of the page before; none for the newest.
    before: Option<String>,
    /// How many items at most; a server's bound is admin_page_max.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u32>,
}

/// List what administrators changed
#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", params(Earlier),
    responses((status = 200, description = "A page of changes", body = AuditLog), Problems))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    access: Access,
    Asked(page): Asked<Earlier>,
) -> Result<Json<AuditLog>, Problem> {
    access.needs(Scope::AuditRead)?;
    let limit = asked::limit(&host, page.limit)?;
    let before = match &page.before {
        Some(before) => Some(before.parse::<ArchiveId>().map_err(|_| asked::bad_cursor())?),
        None => None,
    };
    let entries = audit::list(&host.db, before, limit).await.map_err(Error::from)?;
    let next = entries.last().filter(|_| entries.len() >= limit as usize).map(|last| last.id.to_string());
    Ok(Json(AuditLog { entries: entries.into_iter().map(view).collect(), next }))
}

fn view(entry: Entry) -> View {
    let Entry { id, action, via, actor, target, detail, outcome } = entry;
    View { id: id.to_string(), at: clock::xmpp_time(id.at_ms()), via, actor, action, target, detail, outcome }
}
