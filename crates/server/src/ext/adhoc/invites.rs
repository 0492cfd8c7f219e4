//! XEP-0401: commands that make an invitation. Every user can invite to become a contact, and to become a user too where
//! the operator lets them; making accounts for others is for administrators.

use jid::NodePart;
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form::{self, Submission};

use super::command::Asker;
use crate::admin::Actor;
use crate::admin::invites::{self, Made, NewInvite};
use crate::clock;
use crate::ext::Request;

/// A command that invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Somebody becomes a contact.
    Invite,
    /// Somebody gets an account.
    CreateAccount,
}

impl Command {
    pub const ALL: &'static [Self] = &[Self::Invite, Self::CreateAccount];

    /// The command with that node.
    pub fn by_node(node: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.node() == node)
    }

    /// Its node, by which clients call it.
    pub fn node(self) -> String {
        match self {
            Self::Invite => format!("{}#invite", ns::INVITE),
            Self::CreateAccount => format!("{}#create-account", ns::INVITE),
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "Invite Somebody",
            Self::CreateAccount => "Invite Somebody to a New Account",
        }
    }

    /// Whether it is for that asker.
    pub fn is_for(self, asker: Asker) -> bool {
        asker.may_invite
            && match self {
                Self::Invite => asker.is_user,
                Self::CreateAccount => asker.is_admin,
            }
    }

    /// The form to fill in; None when the command runs at once (XEP-0401 §5.1).
    pub fn form(self) -> Option<Xml> {
        match self {
            Self::Invite => None,
            Self::CreateAccount => {
                let fields = vec![
                    data_form::field("username", "text-single", "Username", false),
                    data_form::field("roster-subscription", "boolean", "Roster subscription", false),
                ];
                let instructions = "Whoever has the link can register, with this username if there is one.";
                Some(data_form::form(ns::INVITE, Some(self.name()), Some(instructions), fields))
            }
        }
    }

    /// Runs it. Returns the form with the link.
    ///
    /// # Errors
    /// `bad-request` with `bad-payload` for a username that is none, `conflict` for one that is taken.
    pub async fn run(self, request: &Request<'_>, form: &Submission) -> Result<Option<Xml>, StanzaError> {
        let (host, asker) = (request.host, request.from.to_bare());
        let new = match self {
            Self::Invite => NewInvite {
                contact: Some(asker.clone()),
                registers: host.config.registration.user_invites || host.is_admin(&asker),
                ..NewInvite::default()
            },
            Self::CreateAccount => NewInvite {
                contact: is_true(form.value("roster-subscription")).then(|| asker.clone()),
                localpart: username(form)?,
                registers: true,
                ..NewInvite::default()
            },
        };
        let made = invites::create(host, &Actor::User(asker), new).await?;
        Ok(Some(result(&made)))
    }
}

fn username(form: &Submission) -> Result<Option<NodePart>, StanzaError> {
    let Some(text) = form.value("username").filter(|text| !text.is_empty()) else { return Ok(None) };
    let bad_payload = StanzaError::new(Condition::BadRequest).with_application("bad-payload", ns::COMMANDS);
    address::localpart(text).map(Some).ok_or(bad_payload)
}

fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true"))
}

/// XEP-0401 §5.1.
fn result(made: &Made) -> Xml {
    let text = |var, value: &str| data_form::values(var, "text-single", [value]);
    let mut fields = vec![text("uri", &made.link.uri)];
    fields.extend(made.link.page.as_deref().map(|page| text("landing-url", page)));
    fields.push(text("expire", &clock::xmpp_time(made.invite.expires_at_ms)));
    data_form::result(ns::INVITATION, fields)
}
