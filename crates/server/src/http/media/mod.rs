//! Uploads over HTTP: `PUT` of a slot (XEP-0363), the same in pieces by tus 1.0 (`HEAD`, `PATCH`, `DELETE`), and
//! reading what was uploaded. What it all is about is in [`crate::media`].

mod answers;
mod conditions;
mod download;
mod pace;
mod receive;
mod resume;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;

use super::cors;
use crate::config::Config;
use crate::host::Host;
use crate::media::slot;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// The version of tus that is spoken.
const TUS: HeaderValue = HeaderValue::from_static("1.0.0");

/// `/upload/TOKEN/FILE`
pub(super) fn routes(config: &Config) -> Router<Arc<Host>> {
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let sent = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::RANGE,
        TUS_RESUMABLE,
        UPLOAD_OFFSET,
        UPLOAD_LENGTH,
    ];
    let shown = [
        header::ACCEPT_RANGES,
        header::CONTENT_DISPOSITION,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::ETAG,
        TUS_RESUMABLE,
        UPLOAD_EXPIRES,
        UPLOAD_LENGTH,
        UPLOAD_OFFSET,
    ];
    let max_size = HeaderValue::from(config.media.max_size);
    let handlers = get(download::get)
        .head(download::head)
        .put(upload::put)
        .patch(resume::patch)
        .delete(resume::delete)
        // What asks for it is answered by a layer, which only sees methods that are there.
        .options(async || StatusCode::NO_CONTENT);
    Router::new()
        .route(&format!("{}/{{token}}/{{file}}", slot::PATH), handlers)
        .layer(cors::layer(&config.http.origins, methods).allow_headers(sent).expose_headers(shown))
        // Outside of what answers OPTIONS.
        .layer(middleware::from_fn(move |request, next| with_fields(max_size.clone(), request, next)))
}

/// What every answer under the path says, whatever else: nothing there is a page.
async fn with_fields(max_size: HeaderValue, request: Request, next: Next) -> Response {
    let asks_for_options = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let fields = response.headers_mut();
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = "default-src 'none'; sandbox; frame-ancestors 'none'";
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if asks_for_options {
        fields.insert(TUS_RESUMABLE, TUS);
        fields.insert(TUS_VERSION, TUS);
        fields.insert(TUS_EXTENSION, HeaderValue::from_static("expiration,termination"));
        fields.insert(TUS_MAX_SIZE, max_size);
    }
    response
}
