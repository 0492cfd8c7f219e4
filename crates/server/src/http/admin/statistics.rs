//! Statistics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Access;
use super::problems::Problems;
use crate::admin::scope::Scope;
use crate::admin::statistics::statistics;
use crate::clock;
use crate::host::Host;
use crate::http::Problem;

/// Numbers about the server; those of sessions and connections are this node's.
#[derive(Serialize, ToSchema)]
pub(super) struct Statistics {
    domain: String,
    node: String,
    version: String,
    #[schema(format = DateTime)]
    started_at: String,
    accounts: u64,
    open_invites: u64,
    sessions: u64,
    /// Accounts with at least one session.
    online_users: u64,
    /// Accounts that sent something in the last five minutes.
    active_users: u64,
    connections: u64,
}

/// Show numbers about the server
#[utoipa::path(get, path = "/admin/v1/statistics", tag = "statistics",
    responses((status = 200, description = "The numbers", body = Statistics), Problems))]
pub(super) async fn show(State(host): State<Arc<Host>>, access: Access) -> Result<Json<Statistics>, Problem> {
    access.needs(Scope::StatisticsRead)?;
    let counted = statistics(&host).await?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Ok(Json(Statistics {
        domain: host.domain.to_string(),
        node: host.config.server.node.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: clock::xmpp_time(counted.started_ms),
        accounts: counted.accounts,
        open_invites: counted.open_invites,
        sessions: count(counted.sessions),
        online_users: count(counted.online_users),
        active_users: count(counted.active_users),
        connections: count(counted.connections),
    }))
}
