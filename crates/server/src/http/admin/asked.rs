//! What is asked: paths, queries and bodies, each refused with a problem that says what is wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jid::BareJid;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use xmpp::address;
use xmpp::sasl::Password;

use crate::host::Host;
use crate::http::Problem;

/// What may be asked for; the largest `admin_page_max` there is.
const LIMIT_MAX: u32 = 5_000;
/// How long a body may take; it has a few KiB.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// A body in JSON; an extractor.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Host>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, host: &Arc<Host>) -> Result<Self, Problem> {
        let reading = Json::<T>::from_request(request, host);
        let late = || Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long");
        match tokio::time::timeout(BODY_TIMEOUT, reading).await.map_err(|_| late())? {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> Problem {
    let detail = match rejection {
        // What serde says names the field, and a value of the asker's own: a password's type at most.
        JsonRejection::JsonDataError(error) => error.body_text(),
        JsonRejection::JsonSyntaxError(_) => String::from("the body is not JSON"),
        JsonRejection::MissingJsonContentType(_) => String::from("the body must be application/json"),
        other => other.body_text(),
    };
    Problem::new(rejection.status(), detail)
}

/// The parameters of a query; an extractor.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Host>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, host).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// The last part of the path, decoded; an extractor.
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Arc<Host>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, host).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// The account that the path names; an extractor. Whether it exists is not known yet.
pub(super) struct Account(pub(super) BareJid);

impl FromRequestParts<Arc<Host>> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Problem> {
        let Named(name) = Named::from_request_parts(parts, host).await?;
        Ok(Self(named_account(host, &name)?))
    }
}

/// The account that the path names, and the id behind it of something that it owns; an extractor.
pub(super) struct OfAccount(pub(super) BareJid, pub(super) String);

impl FromRequestParts<Arc<Host>> for OfAccount {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, host).await {
            Ok(Path((name, id))) => Ok(Self(named_account(host, &name)?, id)),
            Err(rejection) => Err(Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}

/// A name that nobody can have is that of nobody.
fn named_account(host: &Host, name: &str) -> Result<BareJid, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "there is no such account");
    let localpart = address::localpart(name).ok_or_else(missing)?;
    Ok(BareJid::from_parts(Some(&localpart), host.domain.domain()))
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The `next` of the page before; none for the first page.
    pub(super) after: Option<String>,
    /// How many items at most; a server's bound is admin_page_max.
    #[param(minimum = 1, maximum = 5000)]
    pub(super) limit: Option<u32>,
}

impl Page {
    /// How many items, within the bound.
    pub(super) fn limit(&self, host: &Host) -> Result<u32, Problem> {
        limit(host, self.limit)
    }
}

/// How many items, within the bound.
pub(super) fn limit(host: &Host, asked: Option<u32>) -> Result<u32, Problem> {
    let most = host.config.limits.admin_page_max;
    match asked {
        Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit must be from 1 to {LIMIT_MAX}")))
        }
        asked => Ok(asked.unwrap_or(most).min(most)),
    }
}

/// For an `after` that no page ended with.
pub(super) fn bad_cursor() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "after must be the next of a page before")
}

/// The account of this server that a name stands for.
pub(super) fn account(host: &Host, name: &str) -> Result<BareJid, Problem> {
    let localpart = address::localpart(name).ok_or_else(|| unusable("the username cannot be used in a JID"))?;
    Ok(BareJid::from_parts(Some(&localpart), host.domain.domain()))
}

/// A new password.
pub(super) fn password(text: &str) -> Result<Password, Problem> {
    if text.is_empty() {
        return Err(unusable("the password is empty"));
    }
    Password::prepare(text).map_err(|_| unusable("the password cannot be used"))
}

/// For a value that makes no sense.
pub(super) fn unusable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
