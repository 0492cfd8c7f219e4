//! Commands about who is connected (XEP-0133 §4.5 and §4.23).

use std::sync::Arc;

use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::xep::data_form::{self, Submission};

use super::form;
use crate::host::Host;
use crate::provisioning;
use crate::sessions::{Delivery, Session};

pub(super) fn end_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) for which to end sessions")];
    form::form("Ending a User Session", "Fill out this form to end a user's session.", fields)
}

/// A bare JID ends all sessions of its account, a full JID that one.
pub(super) async fn end(host: &Host, form: &Submission) -> Result<(), StanzaError> {
    // All are found before any is ended: a misspelt JID stops the command before it has changed anything.
    let mut ending: Vec<Arc<Session>> = Vec::new();
    for jid in form::jids(form)? {
        match jid.try_as_full() {
            Ok(full) => ending.push(host.sessions.at(full).ok_or(Condition::ItemNotFound)?),
            Err(bare) => {
                let account = provisioning::stored(host, bare).await?;
                ending.extend(host.sessions.of(&account.localpart));
            }
        }
    }
    for session in ending {
        session.end(StreamError::with_text("policy-violation", "an administrator has ended the session"));
    }
    Ok(())
}

pub(super) fn announce_form() -> Xml {
    let instructions = "Fill out this form to make an announcement to all active users of this service.";
    let fields = vec![
        data_form::field("subject", "text-single", "Subject", false),
        data_form::field("announcement", "text-multi", "Announcement", true),
    ];
    form::form("Making an Announcement", instructions, fields)
}

/// Sends the announcement to every session.
pub(super) fn announce(host: &Host, form: &Submission) -> Result<(), StanzaError> {
    let announcement = Announcement::read(form)?;
    let mut sessions = host.sessions.all();
    sessions.retain(|session| session.priority().is_some());
    for session in &sessions {
        session.deliver(Delivery::urgent(announcement.to_xml(host.domain.as_str(), session.jid.as_str())));
    }
    tracing::info!(sessions = sessions.len(), "announcement sent");
    Ok(())
}

#[derive(Debug)]
struct Announcement<'a> {
    subject: Option<&'a str>,
    body: String,
}

impl<'a> Announcement<'a> {
    fn read(form: &'a Submission) -> Result<Self, StanzaError> {
        let body = form.values("announcement").join("\n");
        if body.trim().is_empty() {
            return Err(form::bad_payload());
        }
        Ok(Self { subject: form.value("subject").filter(|subject| !subject.is_empty()), body })
    }

    /// RFC 6121 §5.2.2: a headline is news to which nobody answers.
    fn to_xml(&self, from: &str, to: &str) -> String {
        Xml::bare("message")
            .attr("from", from)
            .attr("to", to)
            .attr("type", "headline")
            .child_opt(self.subject.map(|subject| Xml::bare("subject").text(subject)))
            .text_child("body", &self.body)
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use xmpp::ns;

    use super::*;

    fn submitted(fields: &str) -> Submission {
        let xml = format!("<c xmlns='urn:c'><x xmlns='{}' type='submit'>{fields}</x></c>", ns::DATA_FORMS);
        Submission::read(&xml.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_announcement_is_a_headline_of_all_its_lines() {
        let form = submitted(
            "<field var='announcement'><value>Maintenance in 2 minutes.</value><value>Log off &amp; wait!</value></field>",
        );
        assert_eq!(
            Announcement::read(&form).unwrap().to_xml("shakespeare.lit", "bard@shakespeare.lit/globe"),
            "<message from='shakespeare.lit' to='bard@shakespeare.lit/globe' type='headline'>\
             <body>Maintenance in 2 minutes.\nLog off &amp; wait!</body></message>"
        );
    }

    #[test]
    fn nothing_is_not_announced() {
        for empty in ["", "<field var='announcement'/>", "<field var='announcement'><value> </value></field>"] {
            assert_eq!(Announcement::read(&submitted(empty)).unwrap_err().application.unwrap().0, "bad-payload");
        }
    }
}
