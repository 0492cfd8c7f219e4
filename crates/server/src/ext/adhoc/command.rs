//! The commands there are: those of administration, those that invite, and those about one's own devices.

use xmpp::build::Xml;
use xmpp::error::StanzaError;
use xmpp::xep::data_form::Submission;

use super::{admin, devices, invites};
use crate::ext::Request;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Admin(admin::Command),
    Invite(invites::Command),
    Device(devices::Command),
}

/// What decides who may run which.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// One of the configured administrators.
    pub is_admin: bool,
    /// Logged in here, and no component.
    pub is_user: bool,
    /// Invitations are on.
    pub may_invite: bool,
}

impl Asker {
    /// Whoever asks this.
    pub fn of(request: &Request<'_>) -> Self {
        Self {
            is_admin: request.host.is_admin(&request.from.to_bare()),
            is_user: request.session.is_some(),
            may_invite: request.host.config.registration.invites,
        }
    }
}

impl Command {
    /// Every command, in the order of listing.
    pub fn all() -> impl Iterator<Item = Self> {
        let devices = devices::Command::ALL.iter().copied().map(Self::Device);
        let invites = invites::Command::ALL.iter().copied().map(Self::Invite);
        admin::Command::ALL.iter().copied().map(Self::Admin).chain(invites).chain(devices)
    }

    /// The command with that node.
    pub fn by_node(node: &str) -> Option<Self> {
        admin::Command::by_node(node)
            .map(Self::Admin)
            .or_else(|| invites::Command::by_node(node).map(Self::Invite))
            .or_else(|| devices::Command::by_node(node).map(Self::Device))
    }

    /// Its node, by which clients call it.
    pub fn node(self) -> String {
        match self {
            Self::Admin(command) => command.node(),
            Self::Invite(command) => command.node(),
            Self::Device(command) => command.node().to_owned(),
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin(command) => command.name(),
            Self::Invite(command) => command.name(),
            Self::Device(command) => command.name(),
        }
    }

    /// Whether it is for that asker.
    pub fn is_for(self, asker: Asker) -> bool {
        match self {
            Self::Admin(_) => asker.is_admin,
            Self::Invite(command) => command.is_for(asker),
            Self::Device(_) => asker.is_user,
        }
    }

    /// The form to fill in; None when the command needs none and runs at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn form(self, request: &Request<'_>) -> Result<Option<Xml>, StanzaError> {
        match self {
            Self::Admin(command) => Ok(command.form()),
            Self::Invite(command) => Ok(command.form()),
            Self::Device(command) => command.form(request).await,
        }
    }

    /// Runs it. Returns the form with its results, when it has any.
    ///
    /// # Errors
    /// As the commands have them.
    pub async fn run(self, request: &Request<'_>, form: &Submission) -> Result<Option<Xml>, StanzaError> {
        match self {
            Self::Admin(command) => command.run(request, form).await,
            Self::Invite(command) => command.run(request, form).await,
            Self::Device(command) => command.run(request, form).await,
        }
    }
}
