//! The listener for those who watch the server, not for its users: `/metrics`, `/healthz` and `/readyz` in plaintext. It
//! answers until the very end, so that whoever asks hears that the server drains.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

use crate::host::Host;
use crate::http::health_routes;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may be silent before a request.
const SILENCE: Duration = Duration::from_secs(90);
/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers for as long as the process runs.
pub async fn serve(host: Arc<Host>, listener: TcpListener) {
    let router = Router::new().route("/metrics", get(metrics)).merge(health_routes()).with_state(host);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| router.clone().call(request.map(Body::new)));
            let mut builder = http1::Builder::new();
            let builder = builder.timer(TokioTimer::new()).header_read_timeout(SILENCE);
            if let Err(error) = builder.serve_connection(TokioIo::new(socket), service).await {
                tracing::debug!(%error, "a connection for metrics failed");
            }
            drop(place);
        });
    }
}

/// The text is made on a thread of its own: it looks at every session.
async fn metrics(State(host): State<Arc<Host>>) -> Response {
    match tokio::task::spawn_blocking(move || super::collect(&host)).await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
