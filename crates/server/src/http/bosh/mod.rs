//! `/bosh`: XMPP over pairs of HTTP request and answer (XEP-0124, XEP-0206). A session carries a client connection as
//! any; its parts: `request` and `answer` are the XML, `ledger` the rules, `session` what requests and stream share.

mod answer;
mod body;
mod ledger;
mod request;
mod session;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;

pub use session::{Bosh, Carrier};

use super::{Caller, Problem, access, cors};
use crate::c2s::framed::{self, Framed};
use crate::c2s::wire::xml_limits;
use crate::c2s::{self, listener};
use crate::config::Origins;
use crate::host::Host;
use answer::Condition;
use ledger::{Ledger, Terms};
use request::{Request, Wishes};
use session::Link;

/// The version of BOSH spoken here.
const VERSION: (u32, u32) = (1, 11);

/// `/bosh`.
pub(super) fn routes(origins: &Origins) -> Router<Arc<Host>> {
    let cors = cors::layer(origins, [Method::POST]).allow_headers([header::CONTENT_TYPE]);
    Router::new().route("/bosh", post(exchange)).layer(cors)
}

/// One request: its elements go to the stream, and the answer comes when there is something to say or the time is up.
async fn exchange(State(host): State<Arc<Host>>, caller: Caller, request: HttpRequest) -> Result<Response, Problem> {
    access::check(&host, &caller, &request)?;
    let limits = &host.config.limits;
    let text = body::read(&host.bosh, limits, request.into_body()).await?;
    let Some(request) = Request::parse(text, &xml_limits(limits, limits.bosh_body_bytes_max)) else {
        return Ok(terminated(Condition::BadRequest));
    };
    let link = match &request.sid {
        Some(sid) => host.bosh.find(sid),
        None => Some(begin(&host, caller, &request)?),
    };
    let Some(link) = link else { return Ok(terminated(Condition::ItemNotFound)) };
    let wait = Duration::from_secs(link.wait_secs());
    if timeout(wait, link.has_room(limits.stanza_bytes_max)).await.is_err() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "what came before was not handled yet: try again"));
    }
    let (rid, (waiter, mut told)) = (request.rid, oneshot::channel());
    link.offer(request, waiter);
    // Dropped with this future when the client goes away before it has its answer.
    let _waiting = Waiting(&link);
    let told = match timeout(wait, &mut told).await {
        Ok(told) => told,
        Err(_) => {
            link.expire(rid);
            told.await
        }
    };
    // A request that came again took this one's place.
    Ok(xml(told.unwrap_or_else(|_| answer::body(&[], None).to_string())))
}

/// A client that waits for its answer.
struct Waiting<'a>(&'a Link);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.look_again();
    }
}

/// A new session, and the client connection that it carries.
fn begin(host: &Arc<Host>, caller: Caller, request: &Request) -> Result<Arc<Link>, Problem> {
    let admitted = listener::admit(host, caller.ip)
        .ok_or_else(|| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many connections: try again in a while"))?;
    let link = Link::new(Ledger::new(terms(host, &request.wishes), request));
    host.bosh.insert(&link);
    let carrier = framed::Carrier::Bosh(Carrier::new(link.clone(), host.bosh.clone()));
    // Requests come over many connections: there is none to bind SASL to.
    let framed = Framed::new(carrier, caller.is_encrypted, Arc::default());
    let span = tracing::info_span!("bosh", ip = %caller.ip);
    tokio::spawn(listener::serve_framed(host.clone(), framed, caller.ip, admitted).instrument(span));
    Ok(link)
}

fn terms(host: &Host, wishes: &Wishes) -> Terms {
    let limits = &host.config.limits;
    let wait_secs = wishes.wait.unwrap_or(limits.bosh_wait_secs_max).min(limits.bosh_wait_secs_max);
    // XEP-0124 §12: either says that the client polls.
    let hold = if wait_secs == 0 { 0 } else { wishes.hold.unwrap_or(1).min(limits.bosh_hold_max) };
    let polls = hold == 0;
    Terms {
        sid: c2s::random_id(),
        version: wishes.version.map_or(VERSION, |version| version.min(VERSION)),
        // The first answer waits for the stream, also in a session that polls.
        wait_secs: wait_secs.max(1),
        hold,
        requests: hold + 1,
        inactivity_secs: limits.bosh_inactivity_secs + if polls { limits.bosh_polling_secs } else { 0 },
        polling_secs: limits.bosh_polling_secs,
        pause_secs_max: limits.bosh_pause_secs_max,
        acknowledges: wishes.acknowledges,
    }
}

fn terminated(condition: Condition) -> Response {
    xml(answer::terminated(&[], Some(condition)).to_string())
}

fn xml(body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}
