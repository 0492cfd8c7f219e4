//! Stream management on the client's side (XEP-0198): counting, acknowledging, resuming.

use anyhow::{Context, Result, bail, ensure};
use minidom::Element;

use crate::client::{Client, Login};
use crate::pattern::show;

const SM: &str = "urn:xmpp:sm:3";

/// What the client counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamManagement {
    enabled: bool,
    handled: u32,
    id: Option<String>,
}

impl StreamManagement {
    /// Counting begins with the server's `<enabled/>`.
    pub(crate) fn enabled(enabled: &Element) -> Self {
        Self { enabled: true, handled: 0, id: enabled.attr("id").map(str::to_owned) }
    }

    /// XEP-0198 §4: messages, presences and IQs count, and nothing else.
    pub(crate) fn saw(&mut self, element: &Element) {
        if self.enabled && matches!(element.name(), "message" | "presence" | "iq") {
            self.handled = self.handled.wrapping_add(1);
        }
    }
}

/// `<r/>` and `<a/>`, which a server may send at any time.
pub(crate) fn is_bookkeeping(element: &Element) -> bool {
    element.is("r", SM) || element.is("a", SM)
}

/// What servers may or may not send and tests pass over: `<r/>`, `<a/>`, and the answer to a probe
/// that nobody of an account is there (RFC 6121 §4.3.2), which comes from a bare JID.
pub(crate) fn is_optional(element: &Element) -> bool {
    let from_account = element.attr("from").is_some_and(|from| from.contains('@') && !from.contains('/'));
    is_bookkeeping(element)
        || element.name() == "presence" && element.attr("type") == Some("unavailable") && from_account
}

impl Client {
    /// Asks for stream management with resumption; returns the server's `<enabled/>`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn enable_sm(&mut self) -> Result<Element> {
        self.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await?;
        let enabled = self.until(|element| element.ns() == SM && !is_bookkeeping(element)).await?;
        ensure!(enabled.is("enabled", SM), "not enabled: {}", show(&enabled));
        self.sm = StreamManagement::enabled(&enabled);
        Ok(enabled)
    }

    /// How many stanzas were read since stream management was enabled.
    #[must_use]
    pub fn handled(&self) -> u32 {
        self.sm.handled
    }

    /// The id under which the session can be resumed.
    #[must_use]
    pub fn sm_id(&self) -> Option<&str> {
        self.sm.id.as_deref()
    }

    /// Acknowledges everything that was read.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn ack(&mut self) -> Result<()> {
        self.send(&format!("<a xmlns='{SM}' h='{}'/>", self.sm.handled)).await
    }

    /// Asks how many of our stanzas the server has handled, and waits for the answer.
    ///
    /// # Errors
    /// When the answer does not come.
    pub async fn acked(&mut self) -> Result<u32> {
        self.send(&format!("<r xmlns='{SM}'/>")).await?;
        let answer = self.until(|element| element.is("a", SM)).await?;
        Ok(answer.attr("h").context("no h")?.parse()?)
    }

    /// Cuts the connection, as a network does: no `</stream:stream>`. What is needed to resume stays.
    #[must_use]
    pub fn cut(self) -> Suspended {
        Suspended { login: self.login, jid: self.jid, sm: self.sm }
    }
}

/// A session whose connection was cut.
#[derive(Clone, Debug)]
pub struct Suspended {
    login: Login,
    jid: String,
    sm: StreamManagement,
}

impl Suspended {
    /// Reconnects and resumes the session; also returns the server's `<resumed/>`.
    ///
    /// # Errors
    /// When the server does not resume it.
    pub async fn resume(self) -> Result<(Client, Element)> {
        let mut client = Client::open(self.login).await?;
        client.authenticate().await?;
        let id = self.sm.id.as_deref().context("the session cannot be resumed: no id")?;
        client.send(&format!("<resume xmlns='{SM}' previd='{id}' h='{}'/>", self.sm.handled)).await?;
        let answer = client.until(|element| element.ns() == SM && !is_bookkeeping(element)).await?;
        if !answer.is("resumed", SM) {
            bail!("{} is not resumed: {}", self.jid, show(&answer));
        }
        client.jid = self.jid;
        client.sm = self.sm;
        Ok((client, answer))
    }

    /// The `<resume/>` that asks for it.
    #[must_use]
    pub fn request(&self) -> String {
        let id = self.sm.id.as_deref().unwrap_or_default();
        format!("<resume xmlns='{SM}' previd='{id}' h='{}'/>", self.sm.handled)
    }

    pub(crate) fn stream_management(&self) -> StreamManagement {
        self.sm.clone()
    }

    /// Who it was, as a full JID.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// The login, for connecting anew instead of resuming.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}
