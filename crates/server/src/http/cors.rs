//! Which pages of other origins may read our answers (the Fetch standard's CORS), by `[http] origins`.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Origins;

/// How long a browser may remember what it was allowed, in seconds.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// For a router of `methods`. Cookies are never asked for, so an answer is the same for every page.
/// A feature whose requests carry unusual fields adds `.allow_headers(..)`.
pub fn layer(origins: &Origins, methods: impl Into<Vec<Method>>) -> CorsLayer {
    let allowed = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Listed(_) => {
            let origins = origins.clone();
            AllowOrigin::predicate(move |origin: &HeaderValue, request: &Parts| {
                origin.to_str().is_ok_and(|origin| origins.allow(origin, asked_host(request)))
            })
        }
    };
    CorsLayer::new().allow_origin(allowed).allow_methods(methods.into()).max_age(REMEMBERED)
}

/// The host that a request is for: HTTP/2 has it in the target, HTTP/1.1 in a field.
pub fn asked_host(request: &Parts) -> Option<&str> {
    let authority = request.uri.authority().map(|authority| authority.as_str());
    authority.or_else(|| request.headers.get(header::HOST)?.to_str().ok())
}
