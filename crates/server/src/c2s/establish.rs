//! After log-in, without Bind 2: a resource is bound (RFC 6120 §7), or an old session resumed (XEP-0198 §5).

use std::sync::Arc;

use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::ns;
use xmpp::stanza::{IqType, Kind, Rejected, Stanza};
use xmpp::xml::Element;

use super::negotiation::{Abandoned, Established, LoggedIn, Peer, Resumption, next_element, not_authorized};
use super::wire::Wire;
use super::{bind, resume};
use crate::host::Host;

/// Until there is a session, or the client has tried too often.
pub(super) async fn establish(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    logged_in: &LoggedIn,
) -> Result<Established, Abandoned> {
    for _ in 0..host.config.limits.bind_max {
        let element = next_element(wire).await?;
        match (element.namespace(), element.name()) {
            (ns::SM, "resume") => {
                match resume::resume(host, &logged_in.account, &resume::Request::read(&element)).await {
                    Ok(resume::Resumed { session, outbox, h }) => {
                        return Ok(Established { session, outbox, resumed: Some(Resumption { h, success: None }) });
                    }
                    Err(failed) => wire.send(&failed).await?,
                }
            }
            // XEP-0198 §3: only after binding.
            (ns::SM, "enable") => wire.send(&resume::failed(Condition::UnexpectedRequest)).await?,
            (ns::CLIENT, "iq") => {
                if let Some(established) = bind_request(host, wire, peer, logged_in, element).await? {
                    return Ok(established);
                }
            }
            // RFC 6120 §7.1: nothing else may be sent before a resource is bound.
            _ => return Err(StreamError::with_text("not-authorized", "bind a resource first").into()),
        }
    }
    Err(StreamError::with_text("policy-violation", "too many attempts to bind a resource").into())
}

async fn bind_request(
    host: &Arc<Host>,
    wire: &mut Wire,
    peer: Peer,
    logged_in: &LoggedIn,
    element: Element,
) -> Result<Option<Established>, Abandoned> {
    let stanza = match Stanza::parse(element) {
        Ok(stanza) => stanza,
        Err(Rejected::Faulty(stanza, error)) => return refuse(wire, &stanza, &error).await,
        Err(Rejected::NotAStanza) => return Err(not_authorized().into()),
    };
    let Some(request) = stanza.element.child("bind", ns::BIND).filter(|_| stanza.kind == Kind::Iq(IqType::Set)) else {
        return Err(StreamError::with_text("not-authorized", "bind a resource first").into());
    };
    match bind::bind(host, logged_in, peer.ip, &request).await {
        Ok((session, mut outbox)) => {
            let answer = Xml::bare("iq").attr("type", "result").attr_opt("id", stanza.id.as_deref());
            let answer = answer.raw(&bind::bound_xml(&session)).to_string();
            outbox.batch.bytes.extend_from_slice(answer.as_bytes());
            Ok(Some(Established { session, outbox, resumed: None }))
        }
        Err(error) => refuse(wire, &stanza, &error).await,
    }
}

async fn refuse(wire: &mut Wire, stanza: &Stanza, error: &StanzaError) -> Result<Option<Established>, Abandoned> {
    wire.send(&stanza.error_xml(error).unwrap_or_default()).await?;
    Ok(None)
}
