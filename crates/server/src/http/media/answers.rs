//! What is said when there is nothing to give: the same words whether something was there once, will be, or never was.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::Problem;
use crate::media::Error;

/// Nothing is there, and nobody learns why.
pub(super) fn nothing_here() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here").into_response()
}

/// No slot that is open: forged, expired, used up or never granted.
pub(super) fn no_slot() -> Response {
    problem(StatusCode::FORBIDDEN, "this is no open upload slot: ask the upload service for a new one")
}

/// For now.
pub(super) fn busy(why: &'static str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

pub(super) fn problem(status: StatusCode, detail: &'static str) -> Response {
    Problem::new(status, detail).into_response()
}

/// Database or store failed: the operator learns why, the client when to come again.
pub(super) fn failed(error: &Error) -> Response {
    match error {
        Error::Missing | Error::Damaged => {
            tracing::error!(%error, "a medium cannot be read");
            nothing_here()
        }
        error => {
            tracing::warn!(%error, "media are unavailable");
            busy("files cannot be stored or read at the moment")
        }
    }
}
