//! Commands about who is connected (XEP-0133 §4.5 and §4.23).

use jid::Jid;
use xmpp::build::Xml;
use xmpp::error::StanzaError;
use xmpp::xep::data_form::{self, Submission};

use super::form;
use crate::admin;
use crate::admin::announcements::{self, Announcement, Audience};
use crate::ext::Request;

pub(super) fn end_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) for which to end sessions")];
    form::form("Ending a User Session", "Fill out this form to end a user's session.", fields)
}

/// A bare JID ends all sessions of its account, a full JID that one.
pub(super) async fn end(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let jids: Vec<Jid> = form::jids(form)?.into_iter().collect();
    admin::sessions::end(request.host, &form::actor(request), &jids).await?;
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

/// Sends the announcement to everybody who is here.
pub(super) async fn announce(request: &Request<'_>, form: &Submission) -> Result<(), StanzaError> {
    let body = form.values("announcement").join("\n");
    if body.trim().is_empty() {
        return Err(form::bad_payload());
    }
    let announcement = Announcement::new(request.host, form.value("subject"), &body)?;
    announcements::announce(request.host, &form::actor(request), Audience::Online, announcement).await?;
    Ok(())
}
