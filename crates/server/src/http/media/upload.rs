//! `PUT`: a file in one go. It is stored as a whole or not at all.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use storage::uploads::{self, Upload};

use super::answers;
use super::receive::{Received, in_one_go};
use crate::host::Host;
use crate::media::slot::{self, Terms};

/// What stands behind the path of a slot.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Slot {
    slot: Option<String>,
}

impl Slot {
    /// What the slot allows, if it was granted here. Asks no database.
    #[expect(clippy::result_large_err, reason = "an answer is passed on once a request")]
    pub(super) fn terms(&self, host: &Host, token: &str) -> Result<Terms, Response> {
        let grant = self.slot.as_deref().filter(|_| slot::is_token(token)).ok_or_else(answers::no_slot)?;
        let terms = Terms::read(host, token, grant).map_err(|error| answers::failed(&error))?;
        terms.ok_or_else(answers::no_slot)
    }
}

/// The upload of a slot; `None` once it has expired.
pub(super) async fn granted(host: &Host, token: &str) -> Result<Upload, Response> {
    let found = uploads::find(&host.db, token).await.map_err(|error| answers::failed(&error.into()))?;
    let is_there = |upload: &Upload| upload.whole || upload.expires_at_ms > host.clock.now_ms();
    found.filter(is_there).ok_or_else(answers::no_slot)
}

/// `PUT`
pub(super) async fn put(
    State(host): State<Arc<Host>>,
    Path((token, _)): Path<(String, String)>,
    Query(slot): Query<Slot>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match try_put(&host, &token, &slot, &headers, body).await {
        Ok(response) | Err(response) => response,
    }
}

async fn try_put(
    host: &Arc<Host>,
    token: &str,
    slot: &Slot,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let terms = slot.terms(host, token)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        None => return Err(answers::problem(StatusCode::LENGTH_REQUIRED, "say how long the file is: Content-Length")),
        Some(length) if length > terms.bytes => {
            return Err(answers::problem(StatusCode::PAYLOAD_TOO_LARGE, "the slot is for a smaller file"));
        }
        Some(length) if length < terms.bytes => {
            return Err(answers::problem(StatusCode::BAD_REQUEST, "the slot is for a larger file"));
        }
        Some(_) => {}
    }
    if !is_as_promised(headers, &terms.content_type) {
        return Err(answers::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the slot is for another Content-Type"));
    }
    let permit = host.media.transfer().ok_or_else(|| answers::busy("too many files are on their way"))?;
    let claim = host.media.claim(token).ok_or_else(answers::no_slot)?;
    let mut upload = granted(host, token).await?;
    if upload.whole || upload.medium.bytes() > 0 {
        return Err(answers::no_slot());
    }
    // A task of its own: what breaks the connection must not break what cleans up behind it.
    let receiving = tokio::spawn({
        let host = host.clone();
        async move {
            let received = in_one_go(&host, &mut upload, body).await;
            drop((permit, claim));
            received
        }
    });
    match receiving.await {
        Ok(Received::Whole) => Ok(StatusCode::CREATED.into_response()),
        Ok(received) => Err(received.refusal()),
        Err(_) => Err(answers::busy("the server is stopping")),
    }
}

/// XEP-0363 §6: a type that was said must not be another one now.
fn is_as_promised(headers: &HeaderMap, promised: &str) -> bool {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return true };
    promised.is_empty() || given.to_str().is_ok_and(|given| given.trim().eq_ignore_ascii_case(promised))
}
