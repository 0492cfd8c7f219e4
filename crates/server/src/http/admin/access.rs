//! Who asks: bearer tokens (RFC 6750) and what they are good for.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::admin::Actor;
use crate::admin::scope::Scope;
use crate::admin::tokens::{self, Denied};
use crate::host::Host;
use crate::http::{Caller, Problem};

/// Seconds after which guessing may go on.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("60");

/// The token of a request, known to be good; an extractor.
#[derive(Clone, Debug)]
pub(super) struct Access(tokens::Access);

impl Access {
    /// Who that is for the audit log, when the token is good for `scope`.
    pub(super) fn needs(&self, scope: Scope) -> Result<Actor, Problem> {
        if self.0.scopes.has(scope) {
            return Ok(Actor::Token(self.0.name.clone()));
        }
        Err(Problem::new(StatusCode::FORBIDDEN, format!("the token lacks the scope {scope}")))
    }
}

impl<S: Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Every route is behind `authenticate`.
        parts.extensions.get().cloned().ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "a token is needed"))
    }
}

/// Lets nobody past without a good token.
pub(super) async fn authenticate(
    State(host): State<Arc<Host>>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Response {
    if !caller.is_encrypted && !caller.ip.is_loopback() && !host.config.c2s.allow_plaintext {
        let detail = "a token must not cross a network in the clear: use https, or list the proxy in trusted_proxies";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    match tokens::authenticate(&host, caller.ip, bearer(request.headers())).await {
        Ok(access) => {
            request.extensions_mut().insert(Access(access));
            next.run(request).await
        }
        Err(Denied::Unknown) => {
            let detail = "a good token is needed: Authorization: Bearer TOKEN, from whimbreld token create";
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
            let challenge = HeaderValue::from_static("Bearer realm=\"whimbrel\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        Err(Denied::TooMany(refusal)) => {
            if refusal.is_first {
                tracing::warn!(ip = %caller.ip, bound = refusal.bound, "too many wrong API tokens");
            }
            let detail = format!("too many wrong tokens from this address ({}): wait a minute", refusal.bound);
            let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            response
        }
        Err(Denied::Storage(error)) => Problem::from(crate::admin::Error::Storage(error)).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_follows_bearer() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!((of("Basic abc"), of("abc"), of("Bearer"), bearer(&HeaderMap::new())), (None, None, None, None));
    }
}
