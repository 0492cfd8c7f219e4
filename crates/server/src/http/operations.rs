//! What those ask who watch over the server, and certificate authorities; and counting what everybody asks.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::Instrument as _;

use crate::host::Host;
use crate::traces::TARGET;

/// `/healthz` and `/readyz`, and what ACME asks for by http-01 (RFC 8555 §8.3).
pub(super) fn routes() -> Router<Arc<Host>> {
    health_routes().route("/.well-known/acme-challenge/{token}", get(challenge))
}

/// `/healthz`: the process lives. `/readyz`: it may be given work, or 503 with the reasons why not, one a line.
pub fn health_routes() -> Router<Arc<Host>> {
    Router::new().route("/healthz", get(|| async { uncached("ok\n".to_owned()) })).route("/readyz", get(readiness))
}

async fn readiness(State(host): State<Arc<Host>>) -> Response {
    let reasons = host.health.unready(&host).await;
    if reasons.is_empty() {
        return uncached("ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, uncached(format!("{}\n", reasons.join("\n")))).into_response()
}

fn uncached(text: String) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn challenge(State(host): State<Arc<Host>>, Path(token): Path<String>) -> Response {
    match host.answers.text(&token) {
        Some(text) => ([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Counts a request by its route and status, for `/metrics`.
pub(super) async fn count(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let name = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::debug_span!(target: TARGET, "http", route = name, status = tracing::field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("status", status);
    host.metrics.requests.count(name, status, started.elapsed());
    response
}
