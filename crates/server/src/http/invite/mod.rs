//! `/invite/TOKEN`: the page that an invitation's link leads to (XEP-0379 §3.3, XEP-0401 §5.2). It says who invites,
//! opens a client that is there, and makes an account for who has none. HTML and CSS, no script.

mod apps;
mod form;
mod page;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jid::BareJid;
use storage::invites::Invite;

use self::apps::System;
use self::form::{Filled, Seal};
use self::page::{Invitation, Page, Registration};
use super::{Caller, cors};
use crate::admin::{Error, invites};
use crate::c2s::guessing::{Attempt, Secret};
use crate::host::Host;
use crate::provisioning;

/// Bytes of a filled form: a name and a password, each escaped.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// How long a form may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(15);
const CSS: &str = include_str!("style.css");
/// Nothing from elsewhere, no script at all; the form goes nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The page and its style sheet.
pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new()
        .route("/invite/{token}", get(show).post(register))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(guarded))
        .route("/invite/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, CSS)
}

/// The link is a secret: nobody keeps it, and no other page hears of it.
async fn guarded(mut response: Response) -> Response {
    let fields = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // `no-referrer` would hide from us, too, where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An invitation that can be used, and how it is shown.
struct Found {
    invite: Invite,
    contact: Option<BareJid>,
    token: String,
}

async fn show(
    State(host): State<Arc<Host>>,
    caller: Caller,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match find(&host, caller.ip, token).await {
        Ok(found) => invitation(&host, &caller, &found, System::of(&headers), None, StatusCode::OK),
        Err(response) => response,
    }
}

async fn register(
    State(host): State<Arc<Host>>,
    caller: Caller,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let found = match find(&host, caller.ip, token).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let (parts, body) = request.into_parts();
    let system = System::of(&parts.headers);
    let again = |status, why: &str| invitation(&host, &caller, &found, system, Some(why), status);
    if !may_send_password(&host, &caller) {
        return again(StatusCode::FORBIDDEN, "This connection is not encrypted: open the page with https.");
    }
    if !form::is_own(&parts, cors::asked_host(&parts.uri, &parts.headers)) {
        return again(StatusCode::FORBIDDEN, "This form came from another page. Please try again here.");
    }
    let Ok(Ok(body)) = tokio::time::timeout(FORM_TIMEOUT, to_bytes(body, FORM_BYTES_MAX)).await else {
        return again(StatusCode::BAD_REQUEST, "The form did not arrive. Please try again.");
    };
    let filled = match Filled::read(&body, &seal(&host, &found.token), host.clock.now_ms()) {
        Ok(filled) => filled,
        Err(why) => return again(StatusCode::UNPROCESSABLE_ENTITY, why),
    };
    let name = filled.localpart.clone();
    // To its end, whether the browser waits or not.
    let (server, invite, ip) = (host.clone(), found.invite.clone(), caller.ip);
    let registering = tokio::spawn(async move {
        let Filled { localpart, password } = filled;
        invites::register(&server, ip, &invite, &localpart, password).await
    });
    match registering.await {
        Ok(Ok(())) => {
            let jid = BareJid::from_parts(Some(&name), host.domain.domain());
            html(StatusCode::CREATED, &Page::Welcome { jid: &jid, contact: found.contact.as_ref(), system })
        }
        Ok(Err(error)) => {
            let (status, why) = refusal(&error);
            again(status, why)
        }
        Err(_) => again(StatusCode::INTERNAL_SERVER_ERROR, "The server failed. Please try again."),
    }
}

/// What a person is told.
fn refusal(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Account(provisioning::Error::Exists | provisioning::Error::Reserved) => {
            (StatusCode::CONFLICT, "Somebody has this name already. Please choose another one.")
        }
        Error::Unusable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "This invitation is for another name."),
        Error::Missing(_) => (StatusCode::GONE, "Somebody else has used this invitation meanwhile."),
        Error::TooFast => {
            let why = "Too many accounts were created from your address. Please try again in an hour.";
            (StatusCode::TOO_MANY_REQUESTS, why)
        }
        Error::Off(_) => (StatusCode::FORBIDDEN, "No account comes with this invitation."),
        _ => {
            tracing::warn!(%error, "an invited person was not registered");
            (StatusCode::SERVICE_UNAVAILABLE, "The server cannot make accounts at the moment. Please try again.")
        }
    }
}

/// The invitation with that token, or the page that says there is none. Unknown tokens count as failed log-ins do.
async fn find(host: &Host, ip: IpAddr, token: String) -> Result<Found, Response> {
    let now_ms = host.clock.now_ms();
    let attempt = Attempt { ip, localpart: "", secret: Secret::Token };
    if host.guessing.check(&attempt, now_ms).is_err() {
        return Err(html(StatusCode::TOO_MANY_REQUESTS, &Page::Later));
    }
    let found = async {
        let Some(invite) = invites::open(host, &token).await? else { return Ok::<_, Error>(None) };
        let contact = invites::contact_of(host, &invite).await?;
        Ok(Some(Found { invite, contact, token }))
    };
    match found.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            host.guessing.failed(&attempt, now_ms);
            Err(html(StatusCode::NOT_FOUND, &Page::Void))
        }
        Err(error) => {
            tracing::warn!(%error, "an invitation could not be read");
            Err(html(StatusCode::SERVICE_UNAVAILABLE, &Page::Later))
        }
    }
}

fn invitation(
    host: &Host,
    caller: &Caller,
    found: &Found,
    system: System,
    problem: Option<&str>,
    status: StatusCode,
) -> Response {
    let link = invites::link(host, &found.invite, found.contact.as_ref(), &found.token);
    let is_safe = may_send_password(host, caller);
    let page = Page::Invitation(Invitation {
        domain: host.domain.as_str(),
        contact: found.contact.as_ref(),
        uri: &link.uri,
        localpart: found.invite.localpart.as_deref(),
        registration: match found.invite.registers {
            false => Registration::None,
            true if is_safe => Registration::Form(seal(host, &found.token).make(host.clock.now_ms())),
            // No redirect: behind a proxy that nobody told us of it would lead back here.
            true => Registration::Elsewhere(link.page.as_deref().filter(|page| page.starts_with("https://"))),
        },
        problem,
        system,
    });
    html(status, &page)
}

/// Whether a password may come this way.
fn may_send_password(host: &Host, caller: &Caller) -> bool {
    caller.is_encrypted || host.config.c2s.allow_plaintext
}

fn seal(host: &Host, token: &str) -> Seal {
    Seal::new(&host.server_secret, token)
}

fn html(status: StatusCode, page: &Page<'_>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page.to_html()).into_response()
}
