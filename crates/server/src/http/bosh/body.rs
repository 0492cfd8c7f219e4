//! Reading the body of a request, within bounds and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use memchr::memmem;
use tokio::time::timeout;

use super::super::Problem;
use super::Bosh;
use crate::limits::Limits;

/// Where a session's id is looked for.
const HEAD_BYTES: usize = 2_048;

/// Reads a body. Who is not logged in may send less.
pub(super) async fn read(bosh: &Bosh, limits: &Limits, mut body: Body) -> Result<Bytes, Problem> {
    let mut read = BytesMut::new();
    let mut bytes_max = limits.pre_auth_stanza_bytes_max;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is incomplete"))?;
            let Ok(bytes) = frame.into_data() else { continue };
            read.extend_from_slice(&bytes);
            if read.len() > bytes_max {
                bytes_max = if is_of_a_user(bosh, &read) { limits.bosh_body_bytes_max } else { bytes_max };
            }
            if read.len() > bytes_max {
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {bytes_max} bytes")));
            }
        }
        Ok(())
    };
    timeout(Duration::from_secs(limits.http_body_secs), reading)
        .await
        .unwrap_or_else(|_| Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")))?;
    Ok(read.freeze())
}

/// Whether the text names the session of a user who has logged in. A look and no more: what it allows is bytes.
fn is_of_a_user(bosh: &Bosh, text: &[u8]) -> bool {
    let head = text.get(..HEAD_BYTES).unwrap_or(text);
    let mut places = memmem::find_iter(head, b" sid=");
    places.any(|at| {
        let rest = head.get(at + b" sid=".len() + 1..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'\'' | b'"')).unwrap_or(0);
        let sid = rest.get(..end).and_then(|sid| std::str::from_utf8(sid).ok()).unwrap_or_default();
        bosh.find(sid).is_some_and(|link| link.is_logged_in())
    })
}
