//! XEP-0077 In-Band Registration: a stranger creates an account before log-in, where the operator allows it or an
//! invitation does (XEP-0445); a user changes the password or deletes the account.

mod invited;
mod rate;

use std::net::IpAddr;
use std::sync::Arc;

use jid::{BareJid, NodePart};
use minidom::Element;
use storage::invites::Invite;
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::sasl::Password;
use xmpp::stanza::{IqType, Kind, Stanza};

use super::{Reply, Request};
use crate::host::Host;
use crate::provisioning;
use crate::sessions::Session;

pub use rate::Registrations;

/// Answers a registration request on a connection that has not logged in. Returns the answering stanza.
///
/// `ip` is the client's address, for the bound `registrations_per_ip_per_hour_max`; `invite` what the client has shown on
/// this stream so far.
pub async fn before_login(host: &Arc<Host>, ip: IpAddr, invite: &mut Option<Invite>, stanza: &Stanza) -> String {
    let answer = match stanza.element.child("preauth", ns::PREAUTH) {
        Some(preauth) => {
            let token = preauth.attr("token").map(std::borrow::Cow::into_owned);
            invited::show(host, ip, stanza.kind, token.as_deref(), invite).await
        }
        None => answer_stranger(host, ip, invite.as_ref(), stanza).await,
    };
    match answer {
        Ok(payload) => stanza.result_xml(&payload),
        // A result and an error have no answer; c2s brings neither here.
        Err(error) => stanza.error_xml(&error).unwrap_or_default(),
    }
}

async fn answer_stranger(host: &Arc<Host>, ip: IpAddr, invite: Option<&Invite>, stanza: &Stanza) -> Reply {
    // XEP-0077 §3.1: the answer of a host that does not support registration.
    if !host.config.registration.in_band && invite.is_none() {
        return Err(Condition::ServiceUnavailable.into());
    }
    let query = stanza.element.child("query", ns::REGISTER).ok_or(Condition::ServiceUnavailable)?;
    let query = query.to_dom().map_err(|_| Condition::BadRequest)?;
    match stanza.kind {
        Kind::Iq(IqType::Get) => return Ok(fields(invite.and_then(|invite| invite.localpart.as_deref()))),
        Kind::Iq(IqType::Set) => {}
        _ => return Err(Condition::BadRequest.into()),
    }
    match Wish::read(&query)? {
        // XEP-0077 §3.2: nobody is logged in whose account could go.
        Wish::Remove => Err(Condition::UnexpectedRequest.into()),
        Wish::Account { username, password } => {
            let new = NewAccount::new(username, password)?;
            match invite {
                Some(invite) => invited::register(host, ip, invite, &new.localpart, new.password).await?,
                None => {
                    let jid = BareJid::from_parts(Some(&new.localpart), host.domain.domain());
                    create(host, ip, &jid, new.password).await?;
                }
            }
            Ok(String::new())
        }
    }
}

async fn create(host: &Host, ip: IpAddr, jid: &BareJid, password: Password) -> Result<(), StanzaError> {
    // A name that is taken costs little to refuse, and does not count.
    if provisioning::stored(host, jid).await.is_ok() {
        return Err(provisioning::Error::Exists.into());
    }
    admit(host, ip)?;
    Ok(provisioning::create(host, jid, password).await?)
}

/// Counts a registration from that address.
fn admit(host: &Host, ip: IpAddr) -> Result<(), StanzaError> {
    if host.registrations.admit(ip, host.clock.now_ms()) {
        return Ok(());
    }
    let text = "too many accounts were created from this address: wait an hour";
    Err(StanzaError::with_text(Condition::ResourceConstraint, text))
}

/// Answers a user who has logged in and asks about the own account.
pub async fn handle(request: &Request<'_>) -> Reply {
    let Some(session) = request.session else {
        return Err(Condition::RegistrationRequired.into());
    };
    if request.account.is_some_and(|account| account.id != session.account.id) {
        return Err(Condition::Forbidden.into());
    }
    if !request.set {
        return Ok(registered(session.account.localpart()));
    }
    match Wish::read(request.payload)? {
        Wish::Remove => remove(request, session).await,
        Wish::Account { username, password } => {
            // No look at the channel: without TLS a user can only be logged in where the operator allows plaintext.
            let password = new_password(session.account.localpart(), username, password)?;
            provisioning::set_password(request.host, &session.account.jid, password).await?;
            Ok(String::new())
        }
    }
}

/// XEP-0077 §3.2: the account goes, the client is told so, then all its streams end.
async fn remove(request: &Request<'_>, session: &Arc<Session>) -> Reply {
    provisioning::delete(request.host, &session.account.jid, Some(session)).await?;
    session.end(provisioning::deleted());
    Ok(String::new())
}

/// What a set asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// The account goes.
    Remove,
    /// An account with these, or the password of one's own; None: not given.
    Account { username: Option<String>, password: Option<String> },
}

impl Wish {
    fn read(query: &Element) -> Result<Self, StanzaError> {
        if query.has_child("remove", ns::REGISTER) {
            // XEP-0077 §3.2: it stands alone.
            return if query.children().count() == 1 { Ok(Self::Remove) } else { Err(Condition::BadRequest.into()) };
        }
        let text = |name: &str| query.get_child(name, ns::REGISTER).map(Element::text).filter(|text| !text.is_empty());
        Ok(Self::Account { username: text("username"), password: text("password") })
    }
}

/// A new account whose name and password can be used.
#[derive(Debug)]
struct NewAccount {
    localpart: NodePart,
    password: Password,
}

impl NewAccount {
    fn new(username: Option<String>, password: Option<String>) -> Result<Self, StanzaError> {
        let refused = |text| StanzaError::with_text(Condition::NotAcceptable, text);
        let username = username.ok_or_else(|| refused("a username is required"))?;
        let password = password.ok_or_else(|| refused("a password is required"))?;
        let localpart = address::localpart(&username).ok_or_else(|| refused("the username cannot be used in a JID"))?;
        let password = Password::prepare(&password).map_err(|_| refused("the password cannot be used"))?;
        Ok(Self { localpart, password })
    }
}

/// The new password of the account called `own` (XEP-0077 §3.3), which the request must name.
fn new_password(own: &str, username: Option<String>, password: Option<String>) -> Result<Password, StanzaError> {
    let refused = |text| StanzaError::with_text(Condition::BadRequest, text);
    let username = username.ok_or_else(|| refused("the username is missing"))?;
    if address::localpart(&username).is_none_or(|localpart| localpart.as_str() != own) {
        return Err(refused("only the own password can be changed"));
    }
    // An empty password must not become the password.
    let password = password.ok_or_else(|| refused("the password is missing"))?;
    Password::prepare(&password)
        .map_err(|_| StanzaError::with_text(Condition::NotAcceptable, "the password cannot be used"))
}

/// What a stranger has to fill in; with a name that is reserved, only the password.
fn fields(reserved: Option<&str>) -> String {
    let username = Xml::bare("username");
    Xml::new("query", ns::REGISTER)
        .text_child("instructions", "Choose a username and a password for this server.")
        .child(reserved.map_or(username.clone(), |reserved| username.text(reserved)))
        .child(Xml::bare("password"))
        .to_string()
}

/// What a registered user gets to see.
fn registered(username: &str) -> String {
    Xml::new("query", ns::REGISTER)
        .text_child(
            "instructions",
            "You are registered. Send your username with a new password to change the password.",
        )
        .child(Xml::bare("registered"))
        .text_child("username", username)
        .child(Xml::bare("password"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(body: &str) -> Result<Wish, Condition> {
        let query: Element = format!("<query xmlns='{}'>{body}</query>", ns::REGISTER).parse().unwrap();
        Wish::read(&query).map_err(|error| error.condition)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_set_asks_for_an_account_or_for_its_end() {
        let both = "<username>bill</username><password>Calliope</password>";
        assert_eq!(wish(both), Ok(Wish::Account { username: some("bill"), password: some("Calliope") }));
        assert_eq!(wish("<username/>"), Ok(Wish::Account { username: None, password: None }));
        assert_eq!(wish("<remove/>"), Ok(Wish::Remove));
        assert_eq!(wish("<remove/><username>bill</username>"), Err(Condition::BadRequest));
    }

    #[test]
    fn a_new_account_needs_a_name_and_a_password_that_can_be_used() {
        let new = NewAccount::new(some("Bill"), some("Calliope")).unwrap();
        assert_eq!(new.localpart.as_str(), "bill");
        for (username, password) in [
            (None, some("Calliope")),
            (some("bill"), None),
            (some("bill@shakespeare.lit"), some("Calliope")),
            (some("two words"), some("Calliope")),
            (some("bill"), some("\u{7}")),
            (some("bill"), Some("x".repeat(5_000))),
        ] {
            let error = NewAccount::new(username, password).unwrap_err();
            assert_eq!(error.condition, Condition::NotAcceptable);
        }
    }

    #[test]
    fn only_the_own_password_is_changed_and_never_to_nothing() {
        assert!(new_password("bill", some("bill"), some("newpass")).is_ok());
        assert!(new_password("bill", some("BILL"), some("newpass")).is_ok(), "the name as a client may write it");
        let condition = |username, password| new_password("bill", username, password).unwrap_err().condition;
        assert_eq!(condition(some("hecate"), some("newpass")), Condition::BadRequest);
        assert_eq!(condition(None, some("newpass")), Condition::BadRequest);
        assert_eq!(condition(some("bill"), None), Condition::BadRequest);
        assert_eq!(condition(some("bill"), some("\u{7}")), Condition::NotAcceptable);
    }
}
