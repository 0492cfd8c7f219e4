//! The mailbox: which messages are kept, writing them before anyone sees them, and what is still to be delivered
//! (XEP-0160, XEP-0313, XEP-0334; `DESIGN.md`, "The mailbox").

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::archive::Stored;
use storage::{ArchiveId, Db, undelivered};
use tokio::time::Instant;
use xmpp::ns;
use xmpp::stanza::{Kind, MessageType, Stanza};

use crate::accounts::Account;
use crate::clock;
use crate::config::Retention;
use crate::host::Host;

/// Undelivered messages read from the database at a time.
const FLUSH_PAGE: u32 = 100;
/// How often expired messages are looked for.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// What a message deserves by its type, payload and hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays in the archive, and waits for recipients who are not here.
    Archive,
    /// It only waits until it is delivered (`no-permanent-store`).
    UntilDelivered,
    /// Whoever is not here misses it.
    Nothing,
}

/// XEP-0160 §3, XEP-0313 §5.1 and XEP-0334: what is worth keeping.
pub fn keeping(message: &Stanza) -> Keep {
    if !matches!(message.kind, Kind::Message(MessageType::Chat | MessageType::Normal)) {
        return Keep::Nothing;
    }
    if message.has("no-store", ns::HINTS) {
        return Keep::Nothing;
    }
    let store = message.has("store", ns::HINTS);
    if message.has("no-permanent-store", ns::HINTS) {
        return if store || is_content(message) { Keep::UntilDelivered } else { Keep::Nothing };
    }
    if store || is_content(message) { Keep::Archive } else { Keep::Nothing }
}

/// Whether a person, or the client for them, would miss it: not a mere chat state.
fn is_content(message: &Stanza) -> bool {
    message.has_body()
        || message.element.children().any(|child| {
            let (name, namespace) = (child.name(), child.namespace());
            match namespace {
                ns::RECEIPTS => name == "received",
                ns::MARKERS => name != "markable",
                ns::CONFERENCE | ns::MUC_USER | ns::JINGLE_MESSAGE | ns::EME => true,
                ns::OMEMO | ns::OMEMO_LEGACY => name == "encrypted",
                _ => false,
            }
        })
}

/// Whether a message is nothing but a chat state (XEP-0085), which an inactive client need not hear of.
pub fn is_chat_state(message: &Stanza) -> bool {
    message.has_ns(ns::CHAT_STATES) && keeping(message) == Keep::Nothing
}

/// A stored or outgoing message with more children before its end tag.
pub fn with_children(message: &Bytes, children: &str) -> Bytes {
    const END: &[u8] = b"</message>";
    if children.is_empty() {
        return message.clone();
    }
    let (open, between): (&[u8], &[u8]) = match message.strip_suffix(END) {
        Some(open) => (open, b""),
        None => (message.strip_suffix(b"/>").unwrap_or(message), b">"),
    };
    [open, between, children.as_bytes(), END].concat().into()
}

/// XEP-0359: the id under which the archive of `by` has the message.
pub fn stanza_id(by: &str, id: ArchiveId) -> String {
    xmpp::build::Xml::new("stanza-id", ns::STANZA_ID).attr("by", by).attr("id", id.to_string()).to_string()
}

/// XEP-0203: when the server got the message.
pub fn delay(from: &str, id: ArchiveId) -> String {
    xmpp::build::Xml::new("delay", ns::DELAY).attr("from", from).attr("stamp", clock::xmpp_time(id.at_ms())).to_string()
}

/// A page of what waits for an account, ready to be written, oldest first. Those in `skip` are left out.
pub async fn undelivered_page(
    host: &Host,
    account: &Account,
    (after, until): (Option<ArchiveId>, ArchiveId),
    skip: &HashSet<ArchiveId>,
) -> Result<Option<(ArchiveId, Vec<(ArchiveId, Bytes)>)>, storage::Error> {
    let by = account.jid.as_str();
    let mut page = undelivered::page(&host.db, account.id, after, FLUSH_PAGE).await?;
    page.retain(|stored| stored.id <= until);
    let Some(last) = page.last().map(|stored| stored.id) else { return Ok(None) };
    let ready = |stored: Stored| {
        let children = format!("{}{}", stanza_id(by, stored.id), delay(host.domain.as_str(), stored.id));
        (stored.id, with_children(&stored.stanza, &children))
    };
    Ok(Some((last, page.into_iter().filter(|stored| !skip.contains(&stored.id)).map(ready).collect())))
}

/// A device has these messages now.
pub async fn delivered(db: &Db, account: &Account, ids: &[ArchiveId]) {
    if ids.is_empty() {
        return;
    }
    account.mailbox_is_emptied();
    if let Err(error) = undelivered::clear(db, account.id, ids).await {
        // They stay undelivered and will be delivered once more, under the same stanza-id.
        tracing::warn!(%error, "delivered messages could not be marked so");
    }
    account.mailbox_is_emptied();
}

/// Deletes what is older than the configured retention, in bounded batches, for as long as the server runs.
pub async fn purge_forever(host: Arc<Host>) {
    let Retention::For(period) = host.config.archive.retention else { return };
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
    let mut tick = tokio::time::interval(PURGE_EVERY);
    loop {
        tick.tick().await;
        let mut purged = 0;
        match purge(&host.db, host.clock.now_ms().saturating_sub(period_ms), &mut purged).await {
            Ok(()) if purged == 0 => {}
            Ok(()) => tracing::info!(purged, "expired messages were deleted"),
            Err(error) => tracing::warn!(%error, purged, "expired messages could not be deleted"),
        }
    }
}

/// Deletes all messages from before that time, counting them as it goes. It rests twice as long as each step took, so
/// that it never has more than a third of the database's time.
pub async fn purge(db: &Db, before_ms: i64, purged: &mut u64) -> Result<(), storage::Error> {
    let mut purge = storage::archive::Purge::before(before_ms);
    let mut started = Instant::now();
    while let Some(some) = purge.step(db).await? {
        *purged += some;
        tokio::time::sleep(2 * started.elapsed()).await;
        started = Instant::now();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(text: &str) -> Keep {
        keeping(&Stanza::from_text(text.to_owned()).unwrap())
    }

    #[test]
    fn what_people_would_miss_is_kept() {
        let body = "<body>hi</body>";
        let hint = |name: &str| format!("<{name} xmlns='{}'/>", ns::HINTS);
        assert_eq!(keeps(&format!("<message type='chat'>{body}</message>")), Keep::Archive);
        assert_eq!(keeps(&format!("<message>{body}</message>")), Keep::Archive);
        assert_eq!(keeps(&format!("<message type='headline'>{body}</message>")), Keep::Nothing);
        assert_eq!(keeps(&format!("<message type='groupchat'>{body}</message>")), Keep::Nothing);
        assert_eq!(keeps(&format!("<message type='error'>{body}</message>")), Keep::Nothing);
        assert_eq!(keeps(&format!("<message type='chat'>{body}{}</message>", hint("no-store"))), Keep::Nothing);
        let no_permanent = hint("no-permanent-store");
        assert_eq!(keeps(&format!("<message type='chat'>{body}{no_permanent}</message>")), Keep::UntilDelivered);
        assert_eq!(keeps(&format!("<message type='chat'>{}</message>", hint("store"))), Keep::Archive);
        let state = format!("<message type='chat'><composing xmlns='{}'/></message>", ns::CHAT_STATES);
        assert_eq!(keeps(&state), Keep::Nothing);
        assert!(is_chat_state(&Stanza::from_text(state).unwrap()));
        let receipt = format!("<message><received xmlns='{}' id='1'/></message>", ns::RECEIPTS);
        assert_eq!(keeps(&receipt), Keep::Archive);
    }

    #[test]
    fn children_are_added_before_the_end() {
        let with = |message: &'static str, children| with_children(&Bytes::from_static(message.as_bytes()), children);
        assert_eq!(with("<message a='b'/>", "<x/>"), "<message a='b'><x/></message>");
        assert_eq!(with("<message><b/></message>", "<x/>"), "<message><b/><x/></message>");
        assert_eq!(with("<message/>", ""), "<message/>");
    }
}
