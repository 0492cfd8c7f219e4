//! What a person gets who asks for their data: one ZIP, readable with any program, with a page that says what is what.

use std::collections::BTreeSet;
use std::io::{Seek, Write};

use blob::Store;
use serde_json::{Value, json};
use storage::accounts::Account as Row;
use storage::archive::{Direction, Filter, Stored, With};
use storage::archive_prefs::{ArchivePrefs, Fallback};
use storage::{AccountId, ArchiveId, Db, archive_prefs, blocklist, devices, private_xml, roster, undelivered, vcards};
use xmpp::ns;
use xmpp::stanza::Stanza;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::export::archive_page;
use crate::{clock, media, pep};

/// Bytes of a conversation's file name; longer addresses are numbered.
const NAME_BYTES_MAX: usize = 200;

/// Why there is no ZIP.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// The file cannot be written.
    #[error("cannot write the ZIP: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The same.
    #[error("cannot write the ZIP: {0}")]
    Io(#[from] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A file could not be read from the media store.
    #[error(transparent)]
    Media(#[from] media::Error),
}

/// Writes all that belongs to the account `own`; says how many messages that are.
///
/// # Errors
/// When the database or the media store fail, or the file cannot be written.
pub async fn write(
    db: &Db,
    media: &Store,
    row: &Row,
    own: &str,
    now_ms: i64,
    out: impl Write + Seek,
) -> Result<u64, ZipError> {
    let mut zip = Archive { zip: ZipWriter::new(out) };
    zip.text("README.txt", &readme(own, now_ms))?;
    zip.json("profile/account.json", &account(row, own))?;
    if let Some(vcard) = vcards::load(db, row.id).await? {
        zip.text("profile/vcard.xml", &vcard.xml)?;
        zip.json("profile/vcard.json", &vcard_json(&vcard.xml))?;
    }
    zip.json("profile/published.json", &published(db, row.id).await?)?;
    zip.json("contacts.json", &contacts(db, row.id).await?)?;
    zip.json("devices.json", &device_list(db, row.id, now_ms).await?)?;
    zip.json("settings.json", &settings(db, row.id).await?)?;
    let messages = zip.messages(db, row.id).await?;
    zip.media(db, media, row.id).await?;
    zip.zip.finish()?;
    Ok(messages)
}

pub(super) struct Archive<W: Write + Seek> {
    pub(super) zip: ZipWriter<W>,
}

impl<W: Write + Seek> Archive<W> {
    pub(super) fn file(&mut self, name: &str, method: CompressionMethod) -> Result<(), ZipError> {
        let options = SimpleFileOptions::default().compression_method(method);
        // A conversation of many years may be longer than the first version of the format allows.
        self.zip.start_file(name, options.large_file(true).unix_permissions(0o600))?;
        Ok(())
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), ZipError> {
        self.file(name, CompressionMethod::Deflated)?;
        Ok(self.zip.write_all(text.as_bytes())?)
    }

    pub(super) fn json(&mut self, name: &str, value: &Value) -> Result<(), ZipError> {
        self.text(name, &format!("{value:#}\n"))
    }

    /// Each conversation twice: for programs and for people.
    async fn messages(&mut self, db: &Db, id: AccountId) -> Result<u64, ZipError> {
        let mut total = 0;
        for (number, peer) in peers(db, id).await?.into_iter().enumerate() {
            let name = file_name(&peer, number);
            let filter = Filter { with: Some(With { bare: peer, resource: None }), ..Filter::default() };
            self.file(&format!("messages/{name}.jsonl"), CompressionMethod::Deflated)?;
            total += self.each(db, id, &filter, |stored| message_json(stored).to_string()).await?;
            self.file(&format!("messages/{name}.txt"), CompressionMethod::Deflated)?;
            self.each(db, id, &filter, message_text).await?;
        }
        // What is not in the archive and waits for a device.
        self.file("messages/undelivered.jsonl", CompressionMethod::Deflated)?;
        let mut after: Option<ArchiveId> = None;
        loop {
            let page = undelivered::page(db, id, after, storage::limits::PAGE_MESSAGES_MAX).await?;
            let Some(last) = page.last() else { return Ok(total) };
            after = Some(last.id);
            for stored in &page {
                writeln!(self.zip, "{}", message_json(stored))?;
            }
        }
    }

    async fn each(
        &mut self,
        db: &Db,
        id: AccountId,
        filter: &Filter,
        line: impl Fn(&Stored) -> String,
    ) -> Result<u64, ZipError> {
        let (mut after, mut total) = (None, 0);
        loop {
            let (messages, complete) = archive_page(db, id, filter, after).await?;
            after = messages.last().map(|stored| stored.id).or(after);
            for stored in &messages {
                writeln!(self.zip, "{}", line(stored))?;
                total += 1;
            }
            if complete {
                return Ok(total);
            }
        }
    }
}

/// Everybody there are messages with.
async fn peers(db: &Db, id: AccountId) -> Result<BTreeSet<String>, storage::Error> {
    let (mut peers, mut after) = (BTreeSet::new(), None);
    loop {
        let (messages, complete) = archive_page(db, id, &Filter::default(), after).await?;
        after = messages.last().map(|stored| stored.id).or(after);
        peers.extend(messages.into_iter().map(|stored| stored.peer));
        if complete {
            return Ok(peers);
        }
    }
}

fn account(row: &Row, own: &str) -> Value {
    json!({
        "address": own,
        "created": clock::xmpp_time(row.created_at_ms),
        "disabled": row.disabled,
        "last_seen": row.last_seen.as_ref().map(|seen| clock::xmpp_time(seen.at_ms)),
        "last_status": row.last_seen.as_ref().and_then(|seen| seen.status.clone()),
    })
}

async fn contacts(db: &Db, id: AccountId) -> Result<Value, storage::Error> {
    let items = roster::load(db, id).await?.items;
    let one = |item: roster::Item| {
        json!({
            "address": item.jid,
            "name": item.name,
            "groups": item.groups,
            "subscription": item.subscription.as_str(),
            "asked_for_subscription": item.ask,
            "approved_beforehand": item.approved,
            "asks_for_subscription": item.pending_in.is_some(),
            "in_contact_list": item.in_roster,
        })
    };
    Ok(items.into_iter().map(one).collect())
}

async fn device_list(db: &Db, id: AccountId, now_ms: i64) -> Result<Value, storage::Error> {
    let one = |device: devices::Device| {
        json!({
            "id": device.id.to_string(),
            "software": device.software,
            "name": device.name,
            "first_seen": clock::xmpp_time(device.first_seen_ms),
            "last_seen": clock::xmpp_time(device.last_seen_ms),
            "logs_in_without_password": device.has_token,
        })
    };
    Ok(devices::list(db, id, now_ms).await?.into_iter().map(one).collect())
}

/// What apps have published for the person: avatar, nickname, bookmarks and the like.
async fn published(db: &Db, id: AccountId) -> Result<Value, storage::Error> {
    let nodes = pep::export(db, id).await?.items.into_iter().map(|(node, items)| {
        let items = items.into_iter().map(
            |item| json!({ "id": item.id, "published": clock::xmpp_time(item.seq.at_ms()), "content": item.payload }),
        );
        json!({ "node": node, "items": items.collect::<Value>() })
    });
    Ok(nodes.collect())
}

async fn settings(db: &Db, id: AccountId) -> Result<Value, storage::Error> {
    let prefs = archive_prefs::load(db, id).await?.unwrap_or_default();
    let ArchivePrefs { fallback, always, never } = prefs;
    let fallback = match fallback {
        Fallback::Always => "always",
        Fallback::Never => "never",
        Fallback::Roster => "contacts",
    };
    let stored_by_apps: Vec<String> = private_xml::list(db, id).await?.into_iter().map(|element| element.xml).collect();
    Ok(json!({
        "blocked": blocklist::list(db, id).await?,
        "archive": { "otherwise": fallback, "always": always, "never": never },
        "stored_by_apps": stored_by_apps,
    }))
}

/// The fields of a visiting card that have text, with their path.
fn vcard_json(xml: &str) -> Value {
    let Ok(card) = xml.parse::<minidom::Element>() else { return Value::Null };
    let mut fields = Vec::new();
    for field in card.children() {
        let text = field.text().trim().to_owned();
        if !text.is_empty() {
            fields.push(json!({ "field": field.name(), "value": text }));
        }
        for part in field.children().filter(|part| !part.text().trim().is_empty()) {
            fields.push(json!({ "field": format!("{}/{}", field.name(), part.name()), "value": part.text().trim() }));
        }
    }
    Value::Array(fields)
}

fn message_json(stored: &Stored) -> Value {
    let stanza = Stanza::from_text(stored.stanza.clone());
    let attribute =
        |name: &str| stanza.as_ref().and_then(|stanza| stanza.element.attr(name)).map(|value| value.into_owned());
    json!({
        "id": stored.id.to_string(),
        "time": clock::xmpp_time(stored.id.at_ms()),
        "direction": direction(stored),
        "from": attribute("from"),
        "to": attribute("to"),
        "text": stanza.as_ref().and_then(body),
        "xml": String::from_utf8_lossy(&stored.stanza),
    })
}

fn message_text(stored: &Stored) -> String {
    let stanza = Stanza::from_text(stored.stanza.clone());
    let text = match &stanza {
        Some(stanza) => body(stanza).unwrap_or_else(|| without_text(stanza).to_owned()),
        None => String::from("[not readable]"),
    };
    // A line begins with a time only where a message begins.
    let text = text.replace('\n', "\n    ");
    let who = if stored.direction == Direction::Sent { "me" } else { stored.peer.as_str() };
    format!("{}  {who}: {text}", clock::xmpp_time(stored.id.at_ms()))
}

fn body(stanza: &Stanza) -> Option<String> {
    let body = stanza.element.child("body", ns::CLIENT)?;
    Some(body.text().unwrap_or_default().into_owned())
}

fn without_text(stanza: &Stanza) -> &'static str {
    match stanza.has_ns(ns::OMEMO) || stanza.has_ns(ns::OMEMO_LEGACY) {
        true => "[encrypted: only your devices can read it]",
        false => "[no text]",
    }
}

fn direction(stored: &Stored) -> &'static str {
    match stored.direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
    }
}

/// A name that every file system takes.
fn file_name(peer: &str, number: usize) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'.' | b'-' | b'_' | b'+');
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let name: String = peer.bytes().map(one).collect();
    let is_usable = name.len() <= NAME_BYTES_MAX && !name.starts_with('.');
    if is_usable { name } else { format!("conversation-{number}") }
}

fn readme(own: &str, now_ms: i64) -> String {
    let made = clock::xmpp_time(now_ms);
    format!(
        "All that this server keeps of {own}, as of {made} (times are UTC).

profile/account.json   the account: since when, last seen
profile/vcard.xml      your visiting card as apps store it; vcard.json has its fields
profile/published.json avatar, nickname, bookmarks and what else apps have published for you
contacts.json          your contacts with names and groups, and who asks to become one
devices.json           the devices that have logged in
settings.json          whom you have blocked, what is archived, and what apps have stored for themselves
messages/ADDRESS.txt   the conversation with that address, to read
messages/ADDRESS.jsonl the same for programs: one JSON object a line
messages/undelivered.jsonl  messages that none of your devices has fetched yet
media/NUMBER-NAME      the files you have sent, as they were uploaded; media.json says when and of what type

Your password is not here: the server keeps only what can check it.
End-to-end encrypted messages are here as they were sent; only your devices can read them.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_a_file_name() {
        assert_eq!(file_name("bob@example.org", 3), "bob@example.org");
        assert_eq!(file_name("b\\2fo:b@example.org", 3), "b%5C2fo%3Ab@example.org");
        assert_eq!(file_name(&"é".repeat(100), 3), "conversation-3");
    }

    #[test]
    fn a_message_is_readable_whatever_is_in_it() {
        let stored = |xml: &str| Stored {
            id: ArchiveId::first_at(1_278_796_105_250),
            peer: String::from("bob@x"),
            peer_resource: None,
            direction: Direction::Received,
            stanza: xml.to_owned().into(),
        };
        let text = |xml: &str| message_text(&stored(xml));
        assert_eq!(
            text("<message><body>a &lt; b\nc</body></message>"),
            "2010-07-10T21:08:25.250Z  bob@x: a < b\n    c"
        );
        assert!(text("<message><received xmlns='urn:xmpp:receipts'/></message>").ends_with("[no text]"));
        assert!(text("<message><encrypted xmlns='urn:xmpp:omemo:2'/></message>").contains("only your devices"));
        assert!(text("<broken").ends_with("[not readable]"));
        assert_eq!(message_json(&stored("<message from='bob@x/y'><body>hi</body></message>"))["from"], "bob@x/y");
    }
}
