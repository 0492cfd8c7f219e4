//! Commands for everybody who has an account here: seeing one's own devices, and taking the access of one away, for
//! clients that do not know XEP-0494.

use storage::DeviceId;
use storage::devices::{self as stored, Device};
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form::{self, Submission};

use crate::ext::Request;
use crate::{clock, devices};

/// A command about one's own devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    List,
    Revoke,
}

impl Command {
    pub const ALL: &'static [Self] = &[Self::List, Self::Revoke];

    /// The command with that node.
    pub fn by_node(node: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.node() == node)
    }

    /// Its node, by which clients call it.
    pub fn node(self) -> &'static str {
        match self {
            Self::List => "list-devices",
            Self::Revoke => "revoke-device",
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "List My Devices",
            Self::Revoke => "Revoke a Device's Access",
        }
    }

    /// The form to fill in; None when the command runs at once.
    pub async fn form(self, request: &Request<'_>) -> Result<Option<Xml>, StanzaError> {
        match self {
            Self::List => Ok(None),
            Self::Revoke => {
                let options = own(request).await?.into_iter().map(|device| {
                    Xml::bare("option").attr("label", label(&device)).text_child("value", device.id.to_string())
                });
                let field = data_form::field("device", "list-single", "The device", true).children(options);
                let instructions = "Its token becomes void and its sessions end. A device that knows the password \
                                    can log in again until the password is changed.";
                let form = data_form::form(ns::CLIENT_ACCESS, Some(self.name()), Some(instructions), vec![field]);
                Ok(Some(form))
            }
        }
    }

    /// Runs it. Returns the form with its results, when it has any.
    ///
    /// # Errors
    /// `bad-request` with `bad-payload` for a form without a device, `item-not-found` for one that is not there.
    pub async fn run(self, request: &Request<'_>, form: &Submission) -> Result<Option<Xml>, StanzaError> {
        match self {
            Self::List => {
                let lines: Vec<String> = own(request).await?.iter().map(label).collect();
                Ok(Some(data_form::result(ns::CLIENT_ACCESS, vec![data_form::values("devices", "text-multi", lines)])))
            }
            Self::Revoke => {
                let bad_payload = StanzaError::new(Condition::BadRequest).with_application("bad-payload", ns::COMMANDS);
                let id = form.value("device").and_then(DeviceId::parse).ok_or(bad_payload)?;
                let session = request.session.ok_or(Condition::Forbidden)?;
                devices::revoke(request.host, &session.account, id).await?.ok_or(Condition::ItemNotFound)?;
                Ok(None)
            }
        }
    }
}

async fn own(request: &Request<'_>) -> Result<Vec<Device>, StanzaError> {
    let session = request.session.ok_or(Condition::Forbidden)?;
    Ok(stored::list(&request.host.db, session.account.id, request.host.clock.now_ms()).await?)
}

/// A device in one line.
fn label(device: &Device) -> String {
    let software = device.software.as_deref().unwrap_or("Unknown software");
    let name = device.name.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
    format!("{software}{name}, last seen {}", clock::xmpp_time(device.last_seen_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_what_it_calls_itself() {
        let device = |software: Option<&str>, name: Option<&str>| Device {
            id: DeviceId::from_bytes([7; 8]),
            software: software.map(str::to_owned),
            name: name.map(str::to_owned),
            by_password: true,
            has_token: false,
            first_seen_ms: 0,
            last_seen_ms: 1_082_246_400_000,
        };
        assert_eq!(label(&device(Some("Bird"), Some("phone"))), "Bird on phone, last seen 2004-04-18T00:00:00.000Z");
        assert_eq!(label(&device(None, None)), "Unknown software, last seen 2004-04-18T00:00:00.000Z");
    }
}
