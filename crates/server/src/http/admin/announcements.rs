//! Announcements.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Access;
use super::asked::Body;
use super::problems::{BodyProblems, Problems};
use crate::admin::announcements::{Announcement, Audience, announce};
use crate::admin::scope::Scope;
use crate::host::Host;
use crate::http::Problem;

/// Who is to read it.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum To {
    /// Whoever is here.
    Online,
    /// Every account; it waits for those who are not here.
    Everybody,
}

/// A message to many.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnnouncement {
    to: To,
    subject: Option<String>,
    #[schema(min_length = 1)]
    body: String,
}

/// An announcement on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    /// How many sessions, or accounts, it is for.
    recipients: u64,
}

/// Send a message to everybody, or to everybody who is here
#[utoipa::path(post, path = "/admin/v1/announcements", tag = "announcements", request_body = NewAnnouncement,
    params(("Idempotency-Key" = Option<String>, Header, description = "Asked again with the same, it is answered again")),
    responses((status = 202, description = "It is on its way", body = Sent), Problems, BodyProblems))]
pub(super) async fn send(
    State(host): State<Arc<Host>>,
    access: Access,
    Body(new): Body<NewAnnouncement>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    let actor = access.needs(Scope::AnnouncementsWrite)?;
    let audience = match new.to {
        To::Online => Audience::Online,
        To::Everybody => Audience::Everybody,
    };
    let announcement = Announcement::new(&host, new.subject.as_deref(), &new.body)?;
    let recipients = announce(&host, &actor, audience, announcement).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { recipients })))
}
