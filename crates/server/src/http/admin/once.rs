//! A change once begun is finished, whether its asker waits or not; and one that is asked for again with the same
//! `Idempotency-Key` is answered again, not made again. Keys are remembered for a day by the node that met them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use xmpp::sasl::Hash;

use crate::host::Host;
use crate::http::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 128;
/// Bytes of an answer that is remembered; a change's answers are far smaller.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const DAY_MS: i64 = 86_400_000;

/// Requests that were made with a key.
pub(super) struct Once {
    keys_max: usize,
    kept: Mutex<HashMap<Vec<u8>, Kept>>,
}

struct Kept {
    at_ms: i64,
    /// A digest of the request's body.
    body: Vec<u8>,
    /// None while it is under way.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    location: Option<HeaderValue>,
    body: Bytes,
}

enum Met {
    New,
    UnderWay,
    Differs,
    Answered(Answer),
}

impl Once {
    /// Nothing was asked yet; `keys_max` keys are remembered.
    pub(super) fn new(keys_max: usize) -> Self {
        Self { keys_max, kept: Mutex::default() }
    }

    fn meet(&self, key: &[u8], body: &[u8], now_ms: i64) -> Met {
        let mut kept = self.kept.lock();
        if let Some(met) = kept.get(key).filter(|met| now_ms - met.at_ms < DAY_MS) {
            return match &met.answer {
                _ if met.body != body => Met::Differs,
                None => Met::UnderWay,
                Some(answer) => Met::Answered(answer.clone()),
            };
        }
        if kept.len() >= self.keys_max {
            kept.retain(|_, met| now_ms - met.at_ms < DAY_MS);
        }
        if kept.len() >= self.keys_max {
            // The oldest makes room.
            let oldest = kept.iter().min_by_key(|(_, met)| met.at_ms).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        kept.insert(key.to_owned(), Kept { at_ms: now_ms, body: body.to_owned(), answer: None });
        Met::New
    }

    /// A change was made, and this was the answer; None: nothing came of it, so the key is free again.
    fn answered(&self, key: &[u8], answer: Option<Answer>) {
        let mut kept = self.kept.lock();
        match answer {
            Some(answer) => {
                if let Some(met) = kept.get_mut(key) {
                    met.answer = Some(answer);
                }
            }
            None => {
                kept.remove(key);
            }
        }
    }
}

/// Runs the handler of a change to its end, also where its asker hangs up.
pub(super) async fn finished(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed: its log says why").into_response()
        }
    }
}

/// Answers a POST whose key was met before as it was answered then.
pub(super) async fn once(State((host, once)): State<(Arc<Host>, Arc<Once>)>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(KEY).filter(|_| request.method() == Method::POST).cloned() else {
        return next.run(request).await;
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let detail = format!("an Idempotency-Key has 1 to {KEY_BYTES_MAX} bytes");
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, host.config.limits.admin_body_bytes_max).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off").into_response();
    };
    let id = id(&parts.headers, parts.uri.path(), &key);
    let digest = Hash::Sha256.digest(&body);
    match once.meet(&id, &digest, host.clock.now_ms()) {
        Met::New => {}
        Met::UnderWay => {
            let detail = "a request with this Idempotency-Key is under way: ask again in a moment";
            return Problem::new(StatusCode::CONFLICT, detail).into_response();
        }
        Met::Differs => {
            let detail = "this Idempotency-Key came with another body before: take a new one";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into_response();
        }
        Met::Answered(answer) => return answer.replayed(),
    }
    let request = Request::from_parts(parts, Body::from(body));
    // To its end, so that the key does not stay under way.
    let running = tokio::spawn(async move {
        let response = next.run(request).await;
        let (response, answer) = remembered(response).await;
        once.answered(&id, answer);
        response
    });
    match running.await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed: its log says why").into_response()
        }
    }
}

/// What tells requests apart: whose, for what, with which key. The token itself is not kept.
fn id(headers: &HeaderMap, path: &str, key: &HeaderValue) -> Vec<u8> {
    let token = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let parts = [Hash::Sha256.digest(token), Hash::Sha256.digest(path.as_bytes()), key.as_bytes().to_vec()];
    Hash::Sha256.digest(&parts.concat())
}

/// The same response, and what to answer the next time when a change was made.
async fn remembered(response: Response) -> (Response, Option<Answer>) {
    if !response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return (Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too large").into_response(), None);
    };
    let field = |name| parts.headers.get(name).cloned();
    let answer = Answer {
        status: parts.status,
        content_type: field(header::CONTENT_TYPE),
        location: field(header::LOCATION),
        body: body.clone(),
    };
    (Response::from_parts(parts, Body::from(body)), Some(answer))
}

impl Answer {
    fn replayed(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        self.content_type.and_then(|value| headers.insert(header::CONTENT_TYPE, value));
        self.location.and_then(|value| headers.insert(header::LOCATION, value));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { status: StatusCode::CREATED, content_type: None, location: None, body: Bytes::from_static(b"{}") }
    }

    #[test]
    fn a_key_is_answered_once_it_was_and_free_again_when_nothing_came_of_it() {
        let once = Once::new(2);
        assert!(matches!(once.meet(b"k", b"body", 0), Met::New));
        assert!(matches!(once.meet(b"k", b"body", 1), Met::UnderWay));
        once.answered(b"k", None);
        assert!(matches!(once.meet(b"k", b"body", 2), Met::New));
        once.answered(b"k", Some(answer()));
        assert!(matches!(once.meet(b"k", b"body", 3), Met::Answered(_)));
        assert!(matches!(once.meet(b"k", b"other", 3), Met::Differs));
        assert!(matches!(once.meet(b"k", b"body", DAY_MS + 2), Met::New), "forgotten after a day");
    }

    #[test]
    fn the_oldest_key_makes_room() {
        let once = Once::new(2);
        for (at_ms, key) in [(0, b"a"), (1, b"b"), (2, b"c")] {
            assert!(matches!(once.meet(key, b"", at_ms), Met::New));
        }
        assert_eq!(once.kept.lock().len(), 2);
        assert!(matches!(once.meet(b"c", b"", 3), Met::UnderWay));
        assert!(matches!(once.meet(b"a", b"", 3), Met::New));
    }
}
