//! Problems of the API: what each kind of failure is in HTTP, and how the document describes it.

use axum::http::StatusCode;
use utoipa::{IntoResponses, ToSchema};

use crate::admin::Error;
use crate::http::Problem;
use crate::provisioning;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use provisioning::Error as Account;
        let status = match &error {
            Error::Missing(_) | Error::Account(Account::Missing | Account::Elsewhere) => StatusCode::NOT_FOUND,
            Error::Exists(_) | Error::Account(Account::Exists | Account::Reserved) => StatusCode::CONFLICT,
            Error::Bound(_) | Error::Off(_) => StatusCode::CONFLICT,
            Error::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Error::Unusable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Account(Account::NoRandomness | Account::ShuttingDown) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Account(Account::Storage(storage)) | Error::Storage(storage) => {
                // What the database says is for the log.
                tracing::warn!(error = %storage, "a request of the administration failed");
                let detail = "the database does not answer: try again";
                return if storage.is_temporary() {
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                } else {
                    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed: its log says why")
                };
            }
        };
        Problem::new(status, error.to_string())
    }
}

/// A problem (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it only describes what is written elsewhere")]
pub(super) struct Described {
    /// The status of the answer.
    status: u16,
    /// Its name.
    title: String,
    /// What is wrong, and what to do about it.
    detail: String,
}

/// What can be wrong with any request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes what is written elsewhere")]
pub(super) enum Problems {
    /// A parameter, or the body, is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Described),
    /// No good token.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Described),
    /// The token lacks the scope that is named.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Described),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    Missing(Described),
    /// Too many wrong tokens.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Described),
    /// The database does not answer.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Described),
}

/// What can be wrong with a request that has a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes what is written elsewhere")]
pub(super) enum BodyProblems {
    /// The body took too long.
    #[response(status = 408, content_type = "application/problem+json")]
    Late(Described),
    /// The name is taken, a bound is reached, or it is switched off; or the same Idempotency-Key is under way.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Described),
    /// The body is larger than admin_body_bytes_max.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Described),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Described),
    /// A value makes no sense; or an Idempotency-Key came with another body before.
    #[response(status = 422, content_type = "application/problem+json")]
    Unusable(Described),
}
