//! Announcements: a message of the server to everybody who is here (XEP-0133 §4.23), or to every account.

use std::sync::Arc;

use jid::Jid;
use xmpp::build::Xml;
use xmpp::stanza::Stanza;

use super::{Action, Actor, Change, Error, accounts, audit, recorded};
use crate::c2s;
use crate::host::Host;
use crate::routing::{Origin, message};
use crate::sessions::Delivery;

/// Accounts written to with one commit.
const PAGE_ACCOUNTS: u32 = 250;

/// Who is to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever is here: a headline, which is not kept for others.
    Online,
    /// Every account: a message that waits for those who are not here.
    Everybody,
}

impl Audience {
    fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Everybody => "everybody",
        }
    }
}

/// A message to many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    subject: Option<String>,
    body: String,
}

impl Announcement {
    /// With a text, which must not be empty.
    ///
    /// # Errors
    /// [`Error::Unusable`] when there is none, or it has what XML cannot carry, or more than
    /// `announcement_bytes_max`.
    pub fn new(host: &Host, subject: Option<&str>, body: &str) -> Result<Self, Error> {
        let subject = subject.filter(|subject| !subject.trim().is_empty());
        let bytes_max = host.config.limits.announcement_bytes_max;
        if body.trim().is_empty() {
            return Err(Error::Unusable(String::from("an announcement needs a text")));
        }
        if body.len().saturating_add(subject.map_or(0, str::len)) > bytes_max {
            return Err(Error::Unusable(format!("an announcement has at most {bytes_max} bytes")));
        }
        let announcement = Self { subject: subject.map(str::to_owned), body: body.to_owned() };
        // What it cannot say in XML it says nowhere.
        match Stanza::from_text(announcement.xml("headline", &host.domain, host.domain.as_str())) {
            Some(_) => Ok(announcement),
            None => Err(Error::Unusable(String::from("the announcement has characters that XML does not allow"))),
        }
    }

    fn xml(&self, kind: &str, from: &jid::BareJid, to: &str) -> String {
        Xml::bare("message")
            .attr("from", from.as_str())
            .attr("to", to)
            .attr("type", kind)
            .attr("id", c2s::random_id())
            .child_opt(self.subject.as_ref().map(|subject| Xml::bare("subject").text(subject)))
            .text_child("body", &self.body)
            .to_string()
    }
}

/// Sends an announcement. To everybody it goes in the background, page by page; to who is here, at once. How many
/// sessions, or accounts, it is for.
///
/// # Errors
/// Those of the database.
pub async fn announce(
    host: &Arc<Host>,
    actor: &Actor,
    audience: Audience,
    announcement: Announcement,
) -> Result<u64, Error> {
    let change = Change::to(Action::AnnouncementSend, audience.as_str());
    match audience {
        Audience::Online => recorded(host, actor, change, async { Ok(to_sessions(host, &announcement)) }).await,
        Audience::Everybody => {
            let accounts = storage::accounts::count(&host.db).await?;
            let entry = audit::begin(host, actor, change).await?;
            let host = host.clone();
            tokio::spawn(async move {
                let done = tokio::select! {
                    done = to_accounts(&host, &announcement) => done,
                    () = host.stopping.cancelled() => return,
                };
                if let Err(error) = &done {
                    tracing::warn!(%error, "the announcement did not reach everybody");
                }
                audit::complete(&host, entry, done.map_or_else(|error| error.outcome(), |()| "done")).await;
            });
            Ok(accounts)
        }
    }
}

fn to_sessions(host: &Host, announcement: &Announcement) -> u64 {
    let mut sessions = host.sessions.all();
    sessions.retain(|session| session.priority().is_some());
    for session in &sessions {
        // RFC 6121 §5.2.2: a headline is news to which nobody answers.
        session.deliver(Delivery::urgent(announcement.xml("headline", &host.domain, session.jid.as_str())));
    }
    u64::try_from(sessions.len()).unwrap_or(u64::MAX)
}

async fn to_accounts(host: &Arc<Host>, announcement: &Announcement) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = accounts::list(host, after, PAGE_ACCOUNTS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let messages = page.iter().filter(|account| !account.disabled).filter_map(|account| {
            let to = accounts::jid_of(host, account)?;
            let mut stanza = Stanza::from_text(announcement.xml("normal", &host.domain, to.as_str()))?;
            stanza.from = Some(Jid::from(host.domain.clone()));
            Some(stanza)
        });
        if message::handle(host, &Origin::Server, messages.collect()).await.is_err() {
            return Err(storage::Error::Unavailable.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use jid::BareJid;

    use super::*;

    #[test]
    fn an_announcement_is_a_headline_of_all_its_lines() {
        let body = String::from("Maintenance in 2 minutes.\nLog off & wait!");
        let announcement = Announcement { subject: None, body };
        let domain = BareJid::new("shakespeare.lit").unwrap();
        let xml = announcement.xml("headline", &domain, "bard@shakespeare.lit/globe");
        assert!(
            xml.starts_with("<message from='shakespeare.lit' to='bard@shakespeare.lit/globe' type='headline' id='")
        );
        assert!(xml.ends_with("<body>Maintenance in 2 minutes.\nLog off &amp; wait!</body></message>"), "{xml}");
    }
}
