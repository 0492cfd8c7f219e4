//! XEP-0156: where a browser finds WebSocket and BOSH, in XML (RFC 6415) and in JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use xmpp::build::Xml;
use xmpp::ns;

use super::cors;
use crate::config::{Origins, PublicUrl};
use crate::host::Host;

/// `/.well-known/host-meta` and `/.well-known/host-meta.json`.
pub(super) fn routes(origins: &Origins) -> Router<Arc<Host>> {
    Router::new()
        .route("/.well-known/host-meta", get(xml))
        .route("/.well-known/host-meta.json", get(in_json))
        .layer(cors::layer(origins, [Method::GET]))
}

/// Relation and address of each way in.
fn links(url: &PublicUrl) -> [(&'static str, String); 2] {
    [(ns::ALT_WEBSOCKET, url.websocket("/ws")), (ns::ALT_BOSH, url.join("/bosh"))]
}

async fn xml(State(host): State<Arc<Host>>) -> impl IntoResponse {
    let links = links(&host.config.http.public_url);
    let links = links.map(|(rel, href)| Xml::bare("Link").attr("rel", rel).attr("href", href));
    let document = Xml::new("XRD", ns::XRD).children(links);
    ([(header::CONTENT_TYPE, "application/xrd+xml")], format!("<?xml version='1.0' encoding='utf-8'?>{document}"))
}

async fn in_json(State(host): State<Arc<Host>>) -> impl IntoResponse {
    let links = links(&host.config.http.public_url).map(|(rel, href)| json!({ "rel": rel, "href": href }));
    ([(header::CONTENT_TYPE, "application/json")], json!({ "links": links }).to_string())
}
