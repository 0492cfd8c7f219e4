//! `/ws`: XMPP over WebSocket (RFC 7395). Here the handshake (RFC 6455 §4.2); what follows is a client connection as any.

mod carrier;
pub mod frame;

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::time::{Duration, timeout};
use tracing::Instrument;

pub use carrier::Carrier;

use super::{Caller, Problem, access};
use crate::c2s::framed::{self, Framed};
use crate::c2s::listener;
use crate::host::Host;

/// RFC 7395 §3.1
const PROTOCOL: &str = "xmpp";
/// RFC 6455 §1.3
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long the connection may take to become a WebSocket after our answer.
const UPGRADE: Duration = Duration::from_secs(5);

/// `/ws`.
pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new().route("/ws", get(open))
}

async fn open(State(host): State<Arc<Host>>, caller: Caller, mut request: Request) -> Result<Response, Problem> {
    access::check(&host, &caller, &request)?;
    let accept = check_handshake(request.version(), request.headers())?;
    let admitted = listener::admit(&host, caller.ip)
        .ok_or_else(|| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many connections: try again in a while"))?;
    let upgrading = hyper::upgrade::on(&mut request);
    let connection = async move {
        let Ok(Ok(socket)) = timeout(UPGRADE, upgrading).await else { return };
        let carrier = Carrier::new(socket, listener::before_login(&host.config.limits));
        let framed = Framed::new(framed::Carrier::WebSocket(Box::new(carrier)), caller.is_encrypted, caller.bindings);
        listener::serve_framed(host, framed, caller.ip, admitted).await;
    };
    tokio::spawn(connection.instrument(tracing::info_span!("websocket", ip = %caller.ip)));
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// RFC 6455 §4.2.1, and the value that answers the client's key.
fn check_handshake(version: Version, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: &HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    if version != Version::HTTP_11 || !has(&header::CONNECTION, "upgrade") || !has(&header::UPGRADE, "websocket") {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: open it as one, over HTTP/1.1"));
    }
    if !has(&header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13"));
    }
    if !has(&header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the subprotocol must be xmpp (RFC 7395)"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if BASE64.decode(key).map(|nonce| nonce.len()) != Ok(16) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    // Not for secrecy: RFC 6455 §1.3 wants this hash.
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, ACCEPT_SUFFIX].concat());
    HeaderValue::from_str(&BASE64.encode(hash))
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key cannot be answered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const GOOD: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "other, xmpp"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_key_of_the_standard_is_answered_as_there() {
        let accept = check_handshake(Version::HTTP_11, &headers(&GOOD)).unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_that_lacks_something_is_refused() {
        for (name, _) in GOOD {
            let rest: Vec<_> = GOOD.into_iter().filter(|(other, _)| *other != name).collect();
            assert!(check_handshake(Version::HTTP_11, &headers(&rest)).is_err(), "{name}");
        }
        assert!(check_handshake(Version::HTTP_2, &headers(&GOOD)).is_err());
    }
}
