//! Who may open a stream over HTTP at all: pages of allowed origins, over an encrypted connection.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{StatusCode, header};

use super::{Caller, Problem, cors};
use crate::host::Host;

/// # Errors
/// 403, with what the operator can do about it.
pub(super) fn check(host: &Arc<Host>, caller: &Caller, request: &Request) -> Result<(), Problem> {
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        // A browser says which page it is that connects; what is no browser can say anything, and gains nothing by it.
        let authority = cors::asked_host(request.uri(), request.headers());
        if !origin.to_str().is_ok_and(|origin| host.config.http.origins.allow(origin, authority)) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "pages of this origin may not connect: see [http] origins",
            ));
        }
    }
    if !caller.is_encrypted && !host.config.c2s.allow_plaintext {
        let detail = "this connection is not encrypted: use https, or behind a reverse proxy list it in [http] \
                      trusted_proxies and let it set X-Forwarded-Proto";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}
