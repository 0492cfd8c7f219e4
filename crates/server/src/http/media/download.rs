//! Reading a file: `GET` and `HEAD`.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use storage::uploads::{self, ObjectId, Upload};
use tokio::sync::OwnedSemaphorePermit;

use super::conditions::{Answer, decide};
use super::pace::Pace;
use super::upload::Slot;
use super::{TUS_RESUMABLE, answers, resume};
use crate::host::Host;
use crate::media::{self, Outflow, percent_encoded, slot};

/// `GET`
pub(super) async fn get(
    State(host): State<Arc<Host>>,
    Path((token, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let upload = match whole(&host, &token).await {
        Ok(upload) => upload,
        Err(answer) => return answer,
    };
    let bytes = upload.described.bytes;
    let (status, range) = match decide(&headers, &tag(upload.medium.object), bytes) {
        Answer::NotModified => return with_fields(StatusCode::NOT_MODIFIED.into_response(), &upload, None),
        Answer::Unsatisfiable => return unsatisfiable(bytes),
        Answer::Whole => (StatusCode::OK, 0..bytes),
        Answer::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let Some(permit) = host.media.transfer() else { return answers::busy("too many files are on their way") };
    let opened = match host.media.store() {
        Ok(store) => Outflow::open(store, &upload.medium, range.clone(), host.media.segments_at_once()).await,
        Err(error) => Err(error.into()),
    };
    let outflow = match opened {
        Ok(outflow) => outflow,
        Err(error) => return answers::failed(&error),
    };
    let mut response = (status, body(&host, outflow, permit)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let shown = format!("bytes {}-{}/{bytes}", range.start, range.end.saturating_sub(1));
        insert(response.headers_mut(), header::CONTENT_RANGE, &shown);
    }
    with_fields(response, &upload, Some(range.end.saturating_sub(range.start)))
}

/// `HEAD`: of the file, or for who speaks tus, of the upload.
pub(super) async fn head(
    State(host): State<Arc<Host>>,
    Path((token, _)): Path<(String, String)>,
    Query(slot): Query<Slot>,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(TUS_RESUMABLE) {
        return resume::head(&host, &token, &slot, &headers).await;
    }
    match whole(&host, &token).await {
        Err(answer) => answer,
        Ok(upload) => match decide(&headers, &tag(upload.medium.object), upload.described.bytes) {
            Answer::NotModified => with_fields(StatusCode::NOT_MODIFIED.into_response(), &upload, None),
            _ => with_fields(StatusCode::OK.into_response(), &upload, Some(upload.described.bytes)),
        },
    }
}

async fn whole(host: &Host, token: &str) -> Result<Upload, Response> {
    if !slot::is_token(token) {
        return Err(answers::nothing_here());
    }
    match uploads::find(&host.db, token).await {
        Ok(Some(upload)) if upload.whole => Ok(upload),
        Ok(_) => Err(answers::nothing_here()),
        Err(error) => Err(answers::failed(&error.into())),
    }
}

/// What reads on while the client takes it; nothing is read ahead of it.
fn body(host: &Host, outflow: Outflow, permit: OwnedSemaphorePermit) -> Body {
    let state = Some((outflow, Pace::new(&host.config.limits), permit));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut outflow, mut pace, permit) = state?;
        match outflow.next().await {
            Ok(None) => None,
            Ok(Some(bytes)) => match pace.passed(bytes.len()) {
                Ok(()) => Some((Ok(bytes), Some((outflow, pace, permit)))),
                Err(_) => Some((Err(std::io::Error::other("the client is too slow")), None)),
            },
            // The head is gone: all that can be said is that the rest does not come.
            Err(error) => {
                tracing::error!(%error, "a download broke off");
                Some((Err(std::io::Error::other(error)), None))
            }
        }
    }))
}

/// Equal contents of one owner have the same.
fn tag(object: ObjectId) -> String {
    let hash = digest::digest(&digest::SHA256, &object.0);
    let hex: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn with_fields(mut response: Response, upload: &Upload, length: Option<u64>) -> Response {
    let fields = response.headers_mut();
    insert(fields, header::ETAG, &tag(upload.medium.object));
    insert(fields, header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    insert(fields, header::ACCEPT_RANGES, "bytes");
    let Some(length) = length else { return response };
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let described = &upload.described;
    let kind = if described.content_type.is_empty() { "application/octet-stream" } else { &described.content_type };
    insert(fields, header::CONTENT_TYPE, kind);
    let shown = if media::is_shown_inline(kind) { "inline" } else { "attachment" };
    // RFC 6266 with RFC 8187: browsers of today read the second form.
    let disposition = format!("{shown}; filename*=UTF-8''{}", percent_encoded(&described.file_name));
    insert(fields, header::CONTENT_DISPOSITION, &disposition);
    response
}

fn unsatisfiable(bytes: u64) -> Response {
    let mut response = answers::problem(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such bytes");
    insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{bytes}"));
    response
}

fn insert(fields: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}
