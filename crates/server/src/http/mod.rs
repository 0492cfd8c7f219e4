//! The server's HTTP side, on HTTP/1.1 and HTTP/2: one line a feature.

mod caller;
mod cors;
mod error;
mod host_meta;
pub mod listener;

use std::sync::Arc;

use axum::Router;

pub use caller::Caller;
pub use error::Problem;
pub use listener::{Arrival, Scheme};

use crate::host::Host;

/// Everything that is served, for [`listener::serve`]. A feature's `routes()` is a `Router<Arc<Host>>`; a browser's page
/// of another origin may use it where it ends in `.layer(cors::layer(&host.config.http.origins, METHODS))`.
pub fn router(host: Arc<Host>) -> Router {
    let origins = &host.config.http.origins;
    Router::new()
        .merge(host_meta::routes(origins)) // /.well-known/host-meta, XEP-0156
        .fallback(error::no_such_page)
        .method_not_allowed_fallback(error::no_such_method)
        .with_state(host)
}
