//! Hops 3 and 4 of a message's life: which rule applies, and who gets it (RFC 6120 §10, RFC 6121 §8).

pub mod delivery;
mod iq;
mod line;
pub mod message;

pub use line::{Line, Place};

use std::sync::Arc;

use bytes::Bytes;
use jid::Jid;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::stanza::{Kind, Stanza};

use crate::component::Sent;
use crate::host::Host;
use crate::presence;
use crate::sessions::{Delivery, Session};

/// Who sent a stanza into the server; its `from` is proved to belong there.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// A client.
    Session(&'a Arc<Session>),
    /// An external component, by its domain.
    Component(&'a str),
    /// The server itself.
    Server,
}

/// Why a stanza was not handled. It counts as handled all the same (the sender was told), except for `NotStored`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unhandled {
    /// A message could not be committed: the sender was told and must not see it acknowledged.
    NotStored,
}

/// Routes one stanza. Answers go back to the origin.
pub async fn route(host: &Arc<Host>, origin: &Origin<'_>, stanza: Stanza) -> Result<(), Unhandled> {
    match stanza.kind {
        Kind::Message(_) => message::handle(host, origin, vec![stanza]).await,
        Kind::Presence(_) => {
            let original = stanza.clone();
            let handled = match (origin, &stanza.to) {
                (Origin::Session(session), _) => presence::handle(host, session, stanza).await,
                (_, Some(to)) => {
                    let to = to.clone();
                    presence::deliver(host, &to, stanza).await.map_err(StanzaError::from)
                }
                (_, None) => Ok(()),
            };
            if let Err(error) = handled {
                answer_error(host, origin, &original, &error).await;
            }
            Ok(())
        }
        Kind::Iq(_) => {
            iq::handle(host, origin, stanza).await;
            Ok(())
        }
    }
}

/// Sends the error answer to a stanza back where it came from, unless it must not be answered.
pub async fn answer_error(host: &Host, origin: &Origin<'_>, stanza: &Stanza, error: &StanzaError) {
    if let Some(xml) = stanza.error_xml(error) {
        answer(host, origin, xml).await;
    }
}

/// Sends an answer back where the request came from.
pub(crate) async fn answer(host: &Host, origin: &Origin<'_>, xml: String) {
    match origin {
        Origin::Session(session) => session.reply(xml).await,
        Origin::Component(domain) => {
            host.components.send(domain, xml.into());
        }
        Origin::Server => {}
    }
}

/// Whether an address is served by a component, or by nobody.
pub(crate) enum Elsewhere {
    /// A configured component's domain.
    Component(String),
    /// No server-to-server connections here.
    Nowhere,
}

/// Where an address outside the server's own domain leads.
pub(crate) fn elsewhere(host: &Host, to: &Jid) -> Elsewhere {
    let domain = to.domain().as_str();
    if host.components.is_configured(domain) { Elsewhere::Component(domain.to_owned()) } else { Elsewhere::Nowhere }
}

/// Hands a stanza to a component; the error for the sender when that fails.
pub(crate) fn send_to_component(host: &Host, domain: &str, xml: Bytes) -> Result<(), StanzaError> {
    match host.components.send(domain, xml) {
        Sent::Delivered => Ok(()),
        Sent::NotConnected => {
            Err(StanzaError::with_text(Condition::ServiceUnavailable, "the component is not connected")
                .of_type(ErrorType::Wait))
        }
        Sent::Overflow => Err(StanzaError::with_text(Condition::ResourceConstraint, "the component is overloaded")),
    }
}

/// The session of a local full JID gets the stanza; whether there was one.
pub(crate) fn send_to_session(host: &Host, to: &Jid, xml: &str) -> bool {
    let Ok(full) = to.try_as_full() else { return false };
    host.sessions.at(full).is_some_and(|session| session.deliver(Delivery::urgent(xml.to_owned())))
}
