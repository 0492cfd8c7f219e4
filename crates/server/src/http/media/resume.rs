//! tus 1.0 on a slot: `HEAD` says how far it is, `PATCH` goes on, `DELETE` gives up. Creation is the slot itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use storage::uploads::{self, Upload};
use time::OffsetDateTime;
use time::macros::format_description;

use super::receive::{Received, in_pieces};
use super::upload::{Slot, granted};
use super::{TUS, TUS_RESUMABLE, TUS_VERSION, UPLOAD_EXPIRES, UPLOAD_LENGTH, UPLOAD_OFFSET, answers};
use crate::host::Host;

/// `HEAD`
pub(super) async fn head(host: &Host, token: &str, slot: &Slot, headers: &HeaderMap) -> Response {
    let found = async {
        speaks_our_version(headers)?;
        slot.terms(host, token)?;
        granted(host, token).await
    };
    match found.await {
        Err(response) => with_version(response),
        Ok(upload) => {
            let mut response = progress(StatusCode::OK, &upload);
            let fields = response.headers_mut();
            fields.insert(UPLOAD_LENGTH, HeaderValue::from(upload.described.bytes));
            fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}

/// `PATCH`
pub(super) async fn patch(
    State(host): State<Arc<Host>>,
    Path((token, _)): Path<(String, String)>,
    Query(slot): Query<Slot>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match try_patch(&host, &token, &slot, &headers, body).await {
        Ok(response) | Err(response) => with_version(response),
    }
}

async fn try_patch(
    host: &Arc<Host>,
    token: &str,
    slot: &Slot,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    speaks_our_version(headers)?;
    let terms = slot.terms(host, token)?;
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/offset+octet-stream") {
        let detail = "Content-Type must be application/offset+octet-stream";
        return Err(answers::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let number = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()?.parse::<u64>().ok());
    let Some(offset) = number(UPLOAD_OFFSET) else {
        return Err(answers::problem(StatusCode::BAD_REQUEST, "Upload-Offset must be a number"));
    };
    if offset.saturating_add(number(header::CONTENT_LENGTH).unwrap_or(0)) > terms.bytes {
        return Err(answers::problem(StatusCode::PAYLOAD_TOO_LARGE, "the slot is for a smaller file"));
    }
    let permit = host.media.transfer().ok_or_else(|| answers::busy("too many files are on their way"))?;
    let being_written = "another request writes this upload: ask how far it is, and go on from there";
    let claim = host.media.claim(token).ok_or_else(|| answers::problem(StatusCode::CONFLICT, being_written))?;
    let mut upload = granted(host, token).await?;
    if offset != reached(&upload) {
        return Err(answers::problem(StatusCode::CONFLICT, "the upload is elsewhere: ask how far it is"));
    }
    if upload.whole {
        return Ok(progress(StatusCode::NO_CONTENT, &upload));
    }
    // A task of its own: when the connection breaks, what came is kept.
    let receiving = tokio::spawn({
        let host = host.clone();
        async move {
            let received = in_pieces(&host, &mut upload, body).await;
            drop((permit, claim));
            (received, upload)
        }
    });
    match receiving.await {
        Ok((Received::Whole | Received::Begun, upload)) => Ok(progress(StatusCode::NO_CONTENT, &upload)),
        Ok((received, _)) => Err(received.refusal()),
        Err(_) => Err(answers::busy("the server is stopping")),
    }
}

/// `DELETE`: the upload, or the file, is gone.
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    Path((token, _)): Path<(String, String)>,
    Query(slot): Query<Slot>,
    headers: HeaderMap,
) -> Response {
    let removed = async {
        speaks_our_version(&headers)?;
        slot.terms(&host, &token)?;
        let upload = granted(&host, &token).await?;
        let removed = uploads::remove(&host.db, upload.owner, upload.id).await;
        if !removed.map_err(|error| answers::failed(&error.into()))? {
            return Err(answers::no_slot());
        }
        host.media.clean_up_soon();
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    let removed: Result<Response, Response> = removed.await;
    match removed {
        Ok(response) | Err(response) => with_version(response),
    }
}

#[expect(clippy::result_large_err, reason = "an answer is passed on once a request")]
fn speaks_our_version(headers: &HeaderMap) -> Result<(), Response> {
    if headers.get(TUS_RESUMABLE) == Some(&TUS) {
        return Ok(());
    }
    let mut response = answers::problem(StatusCode::PRECONDITION_FAILED, "Tus-Resumable must be 1.0.0");
    response.headers_mut().insert(TUS_VERSION, TUS);
    Err(response)
}

/// How many bytes are there for good.
fn reached(upload: &Upload) -> u64 {
    if upload.whole { upload.described.bytes } else { upload.medium.bytes() }
}

fn progress(status: StatusCode, upload: &Upload) -> Response {
    let mut response = with_version(status.into_response());
    response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(reached(upload)));
    if let Some(expires) = http_date(upload.expires_at_ms).filter(|_| !upload.whole) {
        response.headers_mut().insert(UPLOAD_EXPIRES, expires);
    }
    response
}

fn with_version(mut response: Response) -> Response {
    response.headers_mut().insert(TUS_RESUMABLE, TUS);
    response
}

/// RFC 9110 §5.6.7
fn http_date(ms: i64) -> Option<HeaderValue> {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).ok()?;
    HeaderValue::from_str(&time.format(format).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(784_111_777_000).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
