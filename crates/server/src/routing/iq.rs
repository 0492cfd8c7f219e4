//! IQs (RFC 6120 §8.2.3, RFC 6121 §8.5): one `match` on what is asked.

use std::sync::Arc;

use jid::Jid;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::stanza::{IqType, Kind, Stanza};

use super::{Elsewhere, Origin};
use crate::accounts::Account;
use crate::ext::{self, Reply, Request};
use crate::host::Host;
use crate::pep;
use crate::roster;

/// Handles an IQ of any type to anyone.
pub(super) async fn handle(host: &Arc<Host>, origin: &Origin<'_>, stanza: Stanza) {
    if let Err(error) = dispatch(host, origin, &stanza).await {
        super::answer_error(host, origin, &stanza, &error).await;
    }
}

async fn dispatch(host: &Arc<Host>, origin: &Origin<'_>, stanza: &Stanza) -> Result<(), StanzaError> {
    let Kind::Iq(kind) = stanza.kind else { return Ok(()) };
    let is_request = matches!(kind, IqType::Get | IqType::Set);
    // RFC 6120 §8.2.3: a request has exactly one child.
    if is_request && stanza.element.children().len() != 1 {
        return Err(StanzaError::with_text(Condition::BadRequest, "an IQ request has exactly one child"));
    }
    let Some(from) = &stanza.from else { return Ok(()) };
    let to = stanza.to.clone().unwrap_or_else(|| Jid::from(from.to_bare()));
    if let Origin::Session(session) = origin
        && session.account.has_blocked(&to)
    {
        return if is_request { Err(ext::blocking::blocked_by_user()) } else { Ok(()) };
    }
    if is_request && host.media.is_service(&to) {
        return answer(host, origin, from, None, kind, stanza).await;
    }
    if to.domain() != host.domain.domain() {
        return match super::elsewhere(host, &to) {
            Elsewhere::Component(domain) => super::send_to_component(host, &domain, stanza.to_xml(|_| true, "").into()),
            Elsewhere::Nowhere => Err(Condition::RemoteServerNotFound.into()),
        };
    }
    let account = match to.node() {
        None => None,
        Some(_) => match host.accounts.find(&host.db, &to.to_bare()).await? {
            Some(account) if !account.has_blocked(from) => Some(account),
            // RFC 6121 §8.5.1 and XEP-0191 §3.5: nobody there, or as if.
            _ => return as_if_nobody(host, origin, stanza).await,
        },
    };
    match (&account, to.resource()) {
        (Some(_), Some(_)) => {
            if super::send_to_session(host, &to, &stanza.to_xml(|_| true, "")) {
                Ok(())
            } else {
                Err(Condition::ServiceUnavailable.into())
            }
        }
        _ if is_request => answer(host, origin, from, account.as_ref(), kind, stanza).await,
        // Results of the server's own requests: pings and pushes expect nothing more than a sign of life.
        _ => match origin {
            Origin::Session(session) => Ok(pep::answered(host, session, stanza).await?),
            _ => Ok(()),
        },
    }
}

/// The same answers whether the account does not exist or does not want to be seen.
async fn as_if_nobody(host: &Host, origin: &Origin<'_>, stanza: &Stanza) -> Result<(), StanzaError> {
    match stanza.element.child("query", ns::DISCO_ITEMS).and_then(|query| query.to_dom().ok()) {
        // XEP-0030 §8: strangers get an empty list from an account that exists.
        Some(query) if stanza.to.as_ref().is_some_and(Jid::is_bare) => {
            super::answer(host, origin, stanza.result_xml(&ext::disco::items_of_nobody(&query))).await;
            Ok(())
        }
        _ => Err(Condition::ServiceUnavailable.into()),
    }
}

/// A request that the server answers, for its domain or on behalf of an account.
async fn answer(
    host: &Arc<Host>,
    origin: &Origin<'_>,
    from: &Jid,
    account: Option<&Arc<Account>>,
    kind: IqType,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    let child = stanza.element.children().next().ok_or(Condition::BadRequest)?;
    let payload = child.to_dom().map_err(|_| Condition::BadRequest)?;
    let session = match origin {
        Origin::Session(session) => Some(*session),
        _ => None,
    };
    let set = kind == IqType::Set;
    let request = Request { host, session, from, account, set, payload: &payload, stanza };
    let reply = if stanza.to.as_ref().is_some_and(|to| host.media.is_service(to)) {
        ext::upload::handle(&request).await?
    } else if payload.is("query", ns::ROSTER) {
        match roster::handle(&request).await? {
            Some(reply) => reply,
            None => return Ok(()),
        }
    } else {
        match account {
            Some(_) => for_account(&request).await?,
            None => for_server(&request).await?,
        }
    };
    super::answer(host, origin, stanza.result_xml(&reply)).await;
    Ok(())
}

/// What is asked of the server itself.
async fn for_server(request: &Request<'_>) -> Reply {
    match (request.payload.ns().as_str(), request.payload.name()) {
        (ns::DISCO_INFO | ns::DISCO_ITEMS, "query") if ext::adhoc::is_about_commands(request.payload) => {
            ext::adhoc::disco(request).await
        }
        (ns::DISCO_INFO, "query") => ext::disco::info(request).await,
        (ns::DISCO_ITEMS, "query") => ext::disco::items(request).await,
        (ns::COMMANDS, "command") => ext::adhoc::handle(request).await,
        (ns::EXTERNAL_SERVICES, _) => ext::external_services::handle(request).await,
        (ns::LAST_ACTIVITY, "query") => ext::last_activity::handle(request).await,
        (ns::PING, "ping") => ext::ping::handle(request).await,
        (ns::REGISTER, "query") => ext::register::handle(request).await,
        (ns::TIME, "time") => ext::time::handle(request).await,
        (ns::VERSION, "query") => ext::version::handle(request).await,
        (ns::VCARD, "vCard") => ext::vcard::handle(request).await,
        // RFC 3921's session request is long gone; old clients still send it and wait.
        (ns::SESSION, "session") => Ok(String::new()),
        _ => own_account(request).await,
    }
}

/// Old clients address what concerns their own account to the server.
async fn own_account(request: &Request<'_>) -> Reply {
    let Some(session) = request.session else { return unsupported() };
    match (request.payload.ns().as_str(), request.payload.name()) {
        (ns::PRIVATE_XML, "query") | (ns::BLOCKING, _) | (ns::CARBONS, _) => {
            let request = Request { account: Some(&session.account), ..*request };
            for_account(&request).await
        }
        _ => unsupported(),
    }
}

/// What is asked of an account: by its owner, or by somebody else.
async fn for_account(request: &Request<'_>) -> Reply {
    match (request.payload.ns().as_str(), request.payload.name()) {
        (ns::DISCO_INFO, "query") => ext::disco::info(request).await,
        (ns::DISCO_ITEMS, "query") => ext::disco::items(request).await,
        (ns::BLOCKING, _) => ext::blocking::handle(request).await,
        (ns::CARBONS, _) => ext::carbons::handle(request).await,
        (ns::CLIENT_ACCESS, _) => ext::client_access::handle(request).await,
        (ns::LAST_ACTIVITY, "query") => ext::last_activity::handle(request).await,
        (ns::MAM, "prefs") => ext::archive_prefs::handle(request).await,
        (ns::MAM, _) => ext::mam::handle(request).await,
        (ns::PING, "ping") => ext::ping::handle(request).await,
        (ns::PRIVATE_XML, "query") => ext::private_xml::handle(request).await,
        (ns::PUBSUB | ns::PUBSUB_OWNER, "pubsub") => pep::handle(request).await,
        (ns::REGISTER, "query") => ext::register::handle(request).await,
        (ns::SESSION, "session") => Ok(String::new()),
        (ns::TIME, "time") => ext::time::handle(request).await,
        (ns::VERSION, "query") => ext::version::handle(request).await,
        (ns::VCARD, "vCard") => ext::vcard::handle(request).await,
        _ => unsupported(),
    }
}

/// RFC 6120 §8.4: a namespace the server does not understand.
fn unsupported() -> Reply {
    Err(Condition::ServiceUnavailable.into())
}
