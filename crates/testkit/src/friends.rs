//! Making friends: the mutual subscription of RFC 6121 §3.1, as a set-up step of other tests.

use anyhow::Result;
use minidom::Element;

use crate::Client;

impl Client {
    /// Subscribes two online clients to each other's presence, and waits until both rosters say so.
    /// What else arrived meanwhile is thrown away.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub async fn befriend(&mut self, other: &mut Self) -> Result<()> {
        let (mine, theirs) = (self.bare().to_owned(), other.bare().to_owned());
        self.send(&format!("<presence to='{theirs}' type='subscribe'/>")).await?;
        other.until(|stanza| is_presence(stanza, &mine, "subscribe")).await?;
        other
            .send(&format!("<presence to='{mine}' type='subscribed'/><presence to='{mine}' type='subscribe'/>"))
            .await?;
        self.until(|stanza| is_presence(stanza, &theirs, "subscribe")).await?;
        self.send(&format!("<presence to='{theirs}' type='subscribed'/>")).await?;
        self.until(|stanza| is_push_of_both(stanza, &theirs)).await?;
        other.until(|stanza| is_push_of_both(stanza, &mine)).await?;
        // Each sees the other come online last.
        self.until(|stanza| is_available(stanza, &theirs)).await?;
        other.until(|stanza| is_available(stanza, &mine)).await?;
        self.arrived().await?;
        other.arrived().await?;
        Ok(())
    }
}

fn is_presence(stanza: &Element, from: &str, kind: &str) -> bool {
    stanza.name() == "presence" && stanza.attr("from") == Some(from) && stanza.attr("type") == Some(kind)
}

fn is_available(stanza: &Element, bare: &str) -> bool {
    let from = stanza.attr("from").and_then(|from| from.split('/').next());
    stanza.name() == "presence" && from == Some(bare) && stanza.attr("type").is_none()
}

fn is_push_of_both(stanza: &Element, jid: &str) -> bool {
    let item =
        stanza.get_child("query", "jabber:iq:roster").and_then(|query| query.get_child("item", "jabber:iq:roster"));
    item.is_some_and(|item| item.attr("jid") == Some(jid) && item.attr("subscription") == Some("both"))
}
