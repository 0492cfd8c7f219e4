//! The server's HTTP side, on HTTP/1.1 and HTTP/2: one line a feature.

mod access;
mod admin;
pub mod bosh;
mod caller;
mod cors;
mod error;
mod host_meta;
mod invite;
pub mod listener;
mod media;
mod operations;
mod stalled;
pub mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};

pub use caller::Caller;
pub use error::Problem;
pub use listener::{Arrival, Scheme};
pub use operations::health_routes;

use crate::host::Host;

/// Everything that is served, for [`listener::serve`]. A feature's `routes()` is a `Router<Arc<Host>>`; a browser's page
/// of another origin may use it where it ends in `.layer(cors::layer(&host.config.http.origins, METHODS))`.
pub fn router(host: Arc<Host>) -> Router {
    let origins = &host.config.http.origins;
    Router::new()
        .merge(host_meta::routes(origins)) // /.well-known/host-meta, XEP-0156
        .merge(operations::routes()) // /healthz, /readyz, /.well-known/acme-challenge
        .merge(admin::routes(&host)) // /admin/v1
        .merge(invite::routes()) // /invite, XEP-0401
        .merge(websocket::routes()) // /ws, RFC 7395
        .merge(bosh::routes(origins)) // /bosh, XEP-0124
        .merge(media::routes(&host.config)) // /upload, XEP-0363 and tus
        .fallback(error::no_such_page)
        .layer(map_response(error::explain_method))
        .layer(from_fn_with_state(host.clone(), operations::count))
        .with_state(host)
}
