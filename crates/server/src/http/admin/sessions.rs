//! Sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jid::{FullJid, Jid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use xmpp::address;

use super::access::Access;
use super::asked::{self, Asked, Named};
use super::problems::Problems;
use crate::admin::scope::Scope;
use crate::admin::sessions;
use crate::clock;
use crate::host::Host;
use crate::http::Problem;
use crate::sessions::Session;

/// A bound resource.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct View {
    /// Its full JID.
    jid: String,
    /// The address its client last connected from.
    ip: String,
    /// Its priority; null while it is not available.
    priority: Option<i8>,
    /// The device it is on, when its client named it.
    device: Option<String>,
    /// The last byte from the client.
    #[schema(format = DateTime)]
    heard_at: Option<String>,
}

/// Some sessions of this node, by their JIDs.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    sessions: Vec<View>,
    /// What to ask for `after`; null at the end.
    next: Option<String>,
}

/// How many sessions ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    ended: u64,
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those of one account.
    username: Option<String>,
    /// The `next` of the page before; none for the first page.
    after: Option<String>,
    /// How many items at most; a server's bound is admin_page_max.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u32>,
}

/// List sessions
#[utoipa::path(get, path = "/admin/v1/sessions", tag = "sessions", params(Which),
    responses((status = 200, description = "A page of sessions", body = SessionList), Problems))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    access: Access,
    Asked(which): Asked<Which>,
) -> Result<Json<SessionList>, Problem> {
    access.needs(Scope::SessionsRead)?;
    let limit = asked::limit(&host, which.limit)? as usize;
    let after = match &which.after {
        Some(after) => Some(FullJid::new(after).map_err(|_| asked::bad_cursor())?),
        None => None,
    };
    let no_name = |problem: Problem| Problem { status: StatusCode::BAD_REQUEST, ..problem };
    let account = which.username.as_deref().map(|name| asked::account(&host, name)).transpose().map_err(no_name)?;
    let localpart = account.as_ref().and_then(|jid| jid.node()).map(|node| node.as_str());
    let found = sessions::list(&host, localpart, after.as_ref(), limit);
    let next = found.last().filter(|_| found.len() >= limit).map(|last| last.jid.to_string());
    Ok(Json(SessionList { sessions: found.iter().map(|session| view(session)).collect(), next }))
}

/// End sessions: those of an account, by its bare JID or name, or one, by its full JID
#[utoipa::path(delete, path = "/admin/v1/sessions/{jid}", tag = "sessions",
    params(("jid" = String, Path, description = "A bare or full JID, its slash as %2F")),
    responses((status = 200, description = "They ended", body = Ended), Problems))]
pub(super) async fn end(
    State(host): State<Arc<Host>>,
    access: Access,
    Named(name): Named,
) -> Result<Json<Ended>, Problem> {
    let actor = access.needs(Scope::SessionsWrite)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no such session or account");
    let jid = match name.contains('@') {
        true => address::parse(&name).ok_or_else(missing)?,
        false => Jid::from(asked::account(&host, &name).map_err(|_| missing())?),
    };
    let ended = sessions::end(&host, &actor, &[jid]).await?;
    Ok(Json(Ended { ended: u64::try_from(ended).unwrap_or(u64::MAX) }))
}

fn view(session: &Session) -> View {
    let heard_ms = session.heard_ms.load(Ordering::Relaxed);
    View {
        jid: session.jid.to_string(),
        ip: session.ip.to_string(),
        priority: session.priority(),
        device: session.device.map(|device| device.to_string()),
        heard_at: (heard_ms > 0).then(|| clock::xmpp_time(heard_ms)),
    }
}
