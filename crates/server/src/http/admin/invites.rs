//! Invitations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jid::BareJid;
use serde::{Deserialize, Serialize};
use storage::InviteId;
use storage::invites::Invite;
use utoipa::ToSchema;
use xmpp::address;

use super::access::Access;
use super::asked::{self, Asked, Body, Named, Page};
use super::problems::{BodyProblems, Problems};
use crate::admin::invites::{self, NewInvite};
use crate::admin::scope::Scope;
use crate::clock;
use crate::host::Host;
use crate::http::Problem;

/// An invitation.
#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
pub(super) struct View {
    id: String,
    /// Whether somebody can use it.
    open: bool,
    /// The account that the invited person is connected with.
    contact: Option<String>,
    /// The name that is reserved.
    username: Option<String>,
    /// Whether an account may be registered with it.
    registers: bool,
    /// How often it was used.
    uses: u32,
    /// How often it can be.
    uses_max: u32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Who made it.
    created_by: String,
}

/// Some invitations.
#[derive(Serialize, ToSchema)]
pub(super) struct InviteList {
    invites: Vec<View>,
    /// What to ask for `after`; null at the end.
    next: Option<String>,
}

/// An invitation to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvite)]
pub(super) struct Wanted {
    /// The bare JID of an account here that the invited person is connected with.
    contact: Option<String>,
    /// The name to reserve; then it has one use.
    #[schema(min_length = 1, max_length = 1023)]
    username: Option<String>,
    /// How often it can be used; once if not given.
    #[schema(minimum = 1)]
    uses: Option<u32>,
    /// Seconds until it ends.
    #[schema(minimum = 1)]
    expires_in_secs: Option<u64>,
}

/// An invitation just made, with its links, which are shown only now.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeInvite {
    invite: View,
    /// For a client.
    uri: String,
    /// For a browser.
    url: Option<String>,
}

/// List invitations
#[utoipa::path(get, path = "/admin/v1/invites", tag = "invites", params(Page),
    responses((status = 200, description = "A page of invitations", body = InviteList), Problems))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    access: Access,
    Asked(page): Asked<Page>,
) -> Result<Json<InviteList>, Problem> {
    access.needs(Scope::InvitesRead)?;
    let limit = page.limit(&host)?;
    let after = match &page.after {
        Some(after) => Some(InviteId::parse(after).ok_or_else(asked::bad_cursor)?),
        None => None,
    };
    let found = invites::list(&host, after, limit).await?;
    let next = found.last().filter(|_| found.len() >= limit as usize).map(|last| last.id.to_string());
    let mut views = Vec::with_capacity(found.len());
    for invite in &found {
        views.push(view(&host, invite, invites::contact_of(&host, invite).await?));
    }
    Ok(Json(InviteList { invites: views, next }))
}

/// Make an invitation
#[utoipa::path(post, path = "/admin/v1/invites", tag = "invites", request_body = Wanted,
    params(("Idempotency-Key" = Option<String>, Header, description = "Asked again with the same, it is answered again")),
    responses((status = 201, description = "It is made", body = MadeInvite), Problems, BodyProblems))]
pub(super) async fn create(
    State(host): State<Arc<Host>>,
    access: Access,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<MadeInvite>), Problem> {
    let actor = access.needs(Scope::InvitesWrite)?;
    let contact = match &wanted.contact {
        Some(text) => Some(address::parse(text).ok_or_else(|| asked::unusable("contact is no JID"))?.into_bare()),
        None => None,
    };
    let localpart = match &wanted.username {
        Some(name) => {
            Some(address::localpart(name).ok_or_else(|| asked::unusable("the username cannot be used in a JID"))?)
        }
        None => None,
    };
    let new = NewInvite {
        contact: contact.clone(),
        localpart,
        registers: true,
        uses: wanted.uses,
        expires_in_secs: wanted.expires_in_secs,
    };
    let made = invites::create(&host, &actor, new).await?;
    let invite = view(&host, &made.invite, contact);
    Ok((StatusCode::CREATED, Json(MadeInvite { invite, uri: made.link.uri, url: made.link.page })))
}

/// Make an invitation void
#[utoipa::path(delete, path = "/admin/v1/invites/{id}", tag = "invites",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is void"), Problems))]
pub(super) async fn revoke(
    State(host): State<Arc<Host>>,
    access: Access,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let actor = access.needs(Scope::InvitesWrite)?;
    let id = InviteId::parse(&id).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such invitation"))?;
    invites::revoke(&host, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(host: &Host, invite: &Invite, contact: Option<BareJid>) -> View {
    View {
        id: invite.id.to_string(),
        open: invite.is_open(host.clock.now_ms()),
        contact: contact.map(|jid| jid.to_string()),
        username: invite.localpart.clone(),
        registers: invite.registers,
        uses: invite.uses,
        uses_max: invite.uses_max,
        created_at: clock::xmpp_time(invite.created_at_ms),
        expires_at: clock::xmpp_time(invite.expires_at_ms),
        created_by: invite.created_by.clone(),
    }
}
