//! Extensions, one file each. None imports another; `routing::iq` says which answers what.

use std::sync::Arc;

use jid::Jid;
use minidom::Element;
use xmpp::error::{Condition, StanzaError};
use xmpp::stanza::Stanza;

use crate::accounts::Account;
use crate::host::Host;
use crate::sessions::Session;

pub mod adhoc;
pub mod archive_prefs;
pub mod blocking;
pub mod carbons;
pub mod client_access;
pub mod disco;
pub mod external_services;
pub mod last_activity;
pub mod mam;
pub mod ping;
pub mod private_xml;
pub mod register;
pub mod time;
pub mod upload;
pub mod vcard;
pub mod version;

/// An IQ request (type `get` or `set`) that the server answers itself, for its domain or for an account.
pub struct Request<'a> {
    /// The server.
    pub host: &'a Arc<Host>,
    /// The session that asks; None when a component does.
    pub session: Option<&'a Arc<Session>>,
    /// Who asks.
    pub from: &'a Jid,
    /// The account it is addressed to; None when it is addressed to the server's domain.
    pub account: Option<&'a Arc<Account>>,
    /// Whether the type is `set`.
    pub set: bool,
    /// The one child of the IQ.
    pub payload: &'a Element,
    /// The IQ itself.
    pub stanza: &'a Stanza,
}

/// The payload of the result, as XML text, empty for an empty result; or the error.
pub type Reply = Result<String, StanzaError>;

impl<'a> Request<'a> {
    /// The session asking, when it asks its own account; else `forbidden`.
    pub fn own_session(&self) -> Result<&'a Arc<Session>, StanzaError> {
        match (self.session, self.account) {
            (Some(session), Some(account)) if session.account.id == account.id => Ok(session),
            _ => Err(Condition::Forbidden.into()),
        }
    }

    /// Refuses a `set` of what can only be read.
    pub fn only_get(&self) -> Result<(), StanzaError> {
        if self.set { Err(Condition::NotAllowed.into()) } else { Ok(()) }
    }
}
