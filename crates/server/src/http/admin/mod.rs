//! `/admin/v1`: administration for programs, in JSON, with the tokens of `whimbreld token create`. What is done is in
//! [`crate::admin`]; here is how it is asked for. `openapi.json` says it all, and is made from the handlers.

mod access;
mod accounts;
mod announcements;
mod asked;
mod audit;
mod invites;
mod once;
mod openapi;
mod problems;
mod sessions;
mod statistics;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};

use crate::host::Host;

/// Everything under `/admin/v1`. In this order: who asks, whether it was asked before, then the handler, which says
/// which scope it needs.
pub(super) fn routes(host: &Arc<Host>) -> Router<Arc<Host>> {
    let limits = &host.config.limits;
    let once = Arc::new(once::Once::new(limits.idempotency_keys_max));
    let operations = Router::new()
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route("/accounts/{username}", get(accounts::show).delete(accounts::delete))
        .route("/accounts/{username}/password", put(accounts::set_password))
        .route("/accounts/{username}/disabled", put(accounts::set_disabled))
        .route("/accounts/{username}/usage", get(accounts::usage))
        .route("/accounts/{username}/uploads", get(uploads::list))
        .route("/accounts/{username}/uploads/{id}", delete(uploads::remove))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{jid}", delete(sessions::end))
        .route("/invites", get(invites::list).post(invites::create))
        .route("/invites/{id}", delete(invites::revoke))
        .route("/announcements", post(announcements::send))
        .route("/statistics", get(statistics::show))
        .route("/audit", get(audit::list))
        .layer(DefaultBodyLimit::max(limits.admin_body_bytes_max))
        .route_layer(from_fn(once::finished))
        .route_layer(from_fn_with_state((host.clone(), once), once::once))
        .route_layer(from_fn_with_state(host.clone(), access::authenticate));
    let v1 = operations.route("/openapi.json", get(openapi::document));
    Router::new().nest("/admin/v1", v1)
}
