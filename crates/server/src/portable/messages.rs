//! Messages on their way in: each gets a place in the mailbox, once, however often its file is imported.
//!
//! An id of ours says its own time and is kept. A message of another server gets an id of the same millisecond: the
//! first that is free, in the order of the file; one that is there already with the same content is left alone.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jid::{BareJid, Jid};
use minidom::Element;
use minidom::rxml::NcName;
use storage::archive::{self, Direction, Entry, Filter, Paging, Stored};
use storage::{AccountId, ArchiveId, Db, undelivered};
use xmpp::ns;
use xmpp::stanza::{Kind, Stanza};

use crate::clock;
use crate::mailbox::{self, Keep};

/// Messages written in one transaction, and their bytes.
const BATCH_MESSAGES_MAX: usize = 250;
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of undelivered messages that are held until the archive has been read.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A server may note a message in the archive and in the line of those that wait at different moments.
const SAME_MESSAGE_MS: i64 = 5_000;

/// A message that was read.
struct Message {
    id: Option<ArchiveId>,
    at_ms: i64,
    peer: Jid,
    direction: Direction,
    xml: String,
    digest: u64,
}

/// What a mailbox has in one millisecond.
#[derive(Default)]
struct Instant {
    at_ms: i64,
    /// Id, digest, and whether a message of the file is known to be this one.
    there: Vec<(ArchiveId, u64, bool)>,
}

/// Why a message has no place.
pub(super) enum Unplaced {
    /// It is faulty, or this server does not keep such messages.
    Refused(String),
    /// The database.
    Storage(storage::Error),
}

impl From<storage::Error> for Unplaced {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

/// A mailbox that is being filled.
pub(super) struct Mailbox {
    db: Db,
    owner: AccountId,
    own: BareJid,
    now_ms: i64,
    /// Nobody has logged in to the account yet: nothing of it has been delivered.
    fresh: bool,
    /// Messages stay after their delivery.
    keeps_history: bool,
    /// The newest time of the archive so far: after it there is nothing to look for.
    newest_ms: i64,
    instant: Instant,
    batch: Vec<Entry>,
    batch_bytes: usize,
    waiting: Vec<Message>,
    waiting_bytes: usize,
    /// How many messages were stored.
    pub(super) stored: u64,
    /// How many were there already.
    pub(super) known: u64,
}

impl Mailbox {
    /// The mailbox of an account.
    pub(super) async fn open(
        db: &Db,
        (owner, own): (AccountId, BareJid),
        now_ms: i64,
        (fresh, keeps_history): (bool, bool),
    ) -> Result<Self, storage::Error> {
        let ends = archive::metadata(db, owner).await?;
        Ok(Self {
            db: db.clone(),
            owner,
            own,
            now_ms,
            fresh,
            keeps_history,
            newest_ms: ends.map_or(-1, |(_, last)| last.at_ms()),
            instant: Instant::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            stored: 0,
            known: 0,
        })
    }

    /// A `<result/>` of the exported archive (XEP-0227 §3.10).
    pub(super) async fn archived(&mut self, result: &Element) -> Result<(), Unplaced> {
        if !self.keeps_history {
            return refused("no archive is kept here (archive.retention is \"until-delivered\")");
        }
        let forwarded = result.get_child("forwarded", ns::FORWARD);
        let message = forwarded.and_then(|forwarded| forwarded.get_child("message", ns::CLIENT));
        let delay = forwarded.and_then(|forwarded| forwarded.get_child("delay", ns::DELAY));
        let (Some(message), Some(delay)) = (message, delay) else {
            return refused("an archived message without its content or its time");
        };
        let id = result.attr("id").and_then(|id| id.parse().ok());
        let message = self.read(message, (delay.attr("stamp"), id))?;
        self.place(message, true, false).await
    }

    /// A message that waits to be delivered (XEP-0227 §3.5). `file_ms` is for one that does not say when it was sent.
    pub(super) async fn undelivered(&mut self, message: &Element, file_ms: i64) -> Result<(), Unplaced> {
        if !message.is("message", ns::CLIENT) {
            return refused("something that is no message among those that wait");
        }
        let is_ours =
            |by: Option<&str>| by.is_none_or(|by| by == self.own.as_str() || by == self.own.domain().as_str());
        let id = own_stanza_id(message, &self.own).and_then(|id| id.parse().ok());
        let mut message = message.clone();
        let delays = || message.children().filter(|child| child.is("delay", ns::DELAY));
        let delay = delays().find(|delay| is_ours(delay.attr("from"))).or_else(|| delays().last());
        let stamp = delay.and_then(|delay| delay.attr("stamp")).map(str::to_owned);
        // The server says it again when it delivers the message.
        message = without(message, |child| child.is("delay", ns::DELAY) && is_ours(child.attr("from")));
        let stamp = stamp.unwrap_or_else(|| clock::xmpp_time(file_ms));
        let message = self.read(&message, (Some(stamp.as_str()), id))?;
        self.waiting_bytes = self.waiting_bytes.saturating_add(message.xml.len());
        self.waiting.push(message);
        if self.waiting_bytes > WAITING_BYTES_MAX {
            return self.deliver_later().await;
        }
        Ok(())
    }

    /// All that was read is stored.
    pub(super) async fn finish(&mut self) -> Result<(), Unplaced> {
        self.deliver_later().await?;
        Ok(self.flush().await?)
    }

    fn read(&self, element: &Element, (stamp, id): (Option<&str>, Option<ArchiveId>)) -> Result<Message, Unplaced> {
        let fault = |what: String| Unplaced::Refused(what);
        let at_ms = stamp.and_then(clock::parse_xmpp_time).ok_or_else(|| fault("a message without a time".into()))?;
        if at_ms < 0 {
            return Err(fault(format!("a message from {}, before 1970", clock::xmpp_time(at_ms))));
        }
        if at_ms > self.now_ms {
            let what =
                format!("a message from {}, which is in the future by this machine's clock", clock::xmpp_time(at_ms));
            return Err(fault(what));
        }
        let clean = without(element.clone(), |child| is_own_stanza_id(child, &self.own));
        let xml = stored_form(&clean);
        let stanza = Stanza::from_text(xml.clone()).filter(|stanza| matches!(stanza.kind, Kind::Message(_)));
        let stanza =
            stanza.ok_or_else(|| fault(format!("a message from {} with a faulty address", clock::xmpp_time(at_ms))))?;
        let own = Jid::from(self.own.clone());
        let is_sent = stanza.from.as_ref().is_some_and(|from| from.to_bare() == self.own);
        let to_self = stanza.to.as_ref().is_none_or(|to| to.to_bare() == self.own);
        // A message to oneself is one row, a received one.
        let (direction, peer) = match is_sent && !to_self {
            true => (Direction::Sent, stanza.to.unwrap_or(own)),
            false => (Direction::Received, stanza.from.unwrap_or(own)),
        };
        let id = id.filter(|id| id.at_ms() == at_ms && *id > ArchiveId::first_at(0));
        let digest = digest(direction, &peer.to_bare(), &xml);
        Ok(Message { id, at_ms, peer, direction, xml, digest })
    }

    /// Gives a message its id, unless the mailbox has it.
    async fn place(&mut self, message: Message, archived: bool, waits: bool) -> Result<(), Unplaced> {
        self.look_at(message.at_ms).await?;
        let there = &mut self.instant.there;
        // Two messages with the same words in one millisecond are two: each stands for one of the file.
        let same = |(_, digest, known): &(ArchiveId, u64, bool)| *digest == message.digest && !*known;
        let exact = there.iter().position(|one| same(one) && message.id == Some(one.0));
        if let Some((_, _, known)) = exact.or_else(|| there.iter().position(same)).and_then(|at| there.get_mut(at)) {
            *known = true;
            self.known += 1;
            return Ok(());
        }
        let is_free = |id: &ArchiveId| there.iter().all(|(taken, _, _)| taken != id);
        let last = ArchiveId::last_at(message.at_ms);
        let mut next = ArchiveId::first_at(message.at_ms).next();
        while !is_free(&next) && next < last {
            next = next.next();
        }
        let id = message.id.filter(is_free).unwrap_or(next);
        if !is_free(&id) {
            return refused("more messages of one millisecond than there are ids");
        }
        there.push((id, message.digest, true));
        self.batch_bytes = self.batch_bytes.saturating_add(message.xml.len());
        self.batch.push(Entry {
            owner: self.owner,
            id,
            peer: message.peer.to_bare().to_string(),
            peer_resource: message.peer.resource().map(|resource| resource.as_str().to_owned()),
            direction: message.direction,
            stanza: message.xml.into(),
            archived,
            undelivered: waits,
        });
        if self.batch.len() >= BATCH_MESSAGES_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Makes `at_ms` the millisecond whose messages are known.
    async fn look_at(&mut self, at_ms: i64) -> Result<(), storage::Error> {
        if self.instant.at_ms == at_ms && !self.instant.there.is_empty() {
            return Ok(());
        }
        let is_new_ground = at_ms > self.newest_ms && at_ms > self.instant.at_ms;
        self.newest_ms = self.newest_ms.max(self.instant.at_ms);
        self.instant = Instant { at_ms, there: Vec::new() };
        if is_new_ground {
            return Ok(());
        }
        self.flush().await?;
        let filter = Filter { start_ms: Some(at_ms), end_ms: Some(at_ms), ..Filter::default() };
        self.instant.there =
            self.all(&filter).await?.iter().map(|stored| (stored.id, digest_of(stored), false)).collect();
        let before = ArchiveId::first_at(at_ms).previous();
        let mut after = before;
        loop {
            let page = undelivered::page(&self.db, self.owner, Some(after), storage::limits::PAGE_MESSAGES_MAX).await?;
            let here: Vec<&Stored> = page.iter().take_while(|stored| stored.id.at_ms() == at_ms).collect();
            for stored in &here {
                if self.instant.there.iter().all(|(id, _, _)| *id != stored.id) {
                    self.instant.there.push((stored.id, digest_of(stored), false));
                }
            }
            match here.last() {
                Some(last) if here.len() == page.len() => after = last.id,
                _ => return Ok(()),
            }
        }
    }

    async fn all(&self, filter: &Filter) -> Result<Vec<Stored>, storage::Error> {
        let mut messages: Vec<Stored> = Vec::new();
        loop {
            let after = messages.last().map(|stored| stored.id);
            let paging = Paging { after, ..Paging::first(storage::limits::PAGE_MESSAGES_MAX) };
            let Some(page) = archive::page(&self.db, self.owner, filter, &paging).await? else { return Ok(messages) };
            messages.extend(page.messages);
            if page.complete {
                return Ok(messages);
            }
        }
    }

    async fn flush(&mut self) -> Result<(), storage::Error> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let count = batch.len() as u64;
        archive::append(&self.db, batch).await?;
        self.stored += count;
        Ok(())
    }

    /// Puts the messages that wait into the mailbox: as pointers where the archive has them.
    async fn deliver_later(&mut self) -> Result<(), Unplaced> {
        self.flush().await?;
        // What waits and is not archived is looked for from here on, too.
        self.newest_ms = i64::MAX;
        self.instant = Instant::default();
        self.waiting_bytes = 0;
        let mut pointers = Vec::new();
        let mut may_have_been_seen = 0_u64;
        for message in std::mem::take(&mut self.waiting) {
            if let Some(id) = self.in_archive(&message).await? {
                // In an account that is in use it may have been delivered since the export.
                if self.fresh {
                    pointers.push(id);
                } else {
                    self.known += 1;
                }
                continue;
            }
            let archived = self.keeps_history && is_worth_archiving(&message.xml);
            if archived || self.fresh {
                self.place(message, archived, true).await?;
            } else {
                may_have_been_seen += 1;
            }
        }
        undelivered::add(&self.db, self.owner, &pointers).await?;
        if may_have_been_seen > 0 {
            return refused(format!(
                "{may_have_been_seen} messages that are not archived and may have been delivered already"
            ));
        }
        Ok(())
    }

    async fn in_archive(&self, message: &Message) -> Result<Option<ArchiveId>, storage::Error> {
        if let Some(id) = message.id
            && archive::exists(&self.db, self.owner, id).await?
        {
            return Ok(Some(id));
        }
        let filter = Filter {
            with: Some(archive::With { bare: message.peer.to_bare().to_string(), resource: None }),
            start_ms: Some(message.at_ms.saturating_sub(SAME_MESSAGE_MS)),
            end_ms: Some(message.at_ms.saturating_add(SAME_MESSAGE_MS)),
            ..Filter::default()
        };
        let near =
            archive::page(&self.db, self.owner, &filter, &Paging::first(storage::limits::PAGE_MESSAGES_MAX)).await?;
        let near = near.unwrap_or_default().messages;
        Ok(near.iter().find(|stored| digest_of(stored) == message.digest).map(|stored| stored.id))
    }
}

fn refused<T>(what: impl Into<String>) -> Result<T, Unplaced> {
    Err(Unplaced::Refused(what.into()))
}

/// An element as the mailbox and the roster keep it: in the content namespace of a stream.
pub(super) fn stored_form(stanza: &Element) -> String {
    let text = String::from(stanza);
    let declaration = format!(" xmlns='{}'", ns::CLIENT);
    match text.find(&declaration).filter(|at| text.find(' ') == Some(*at)) {
        Some(_) => text.replacen(&declaration, "", 1),
        None => text,
    }
}

/// Sets an attribute without a namespace.
pub(super) fn set(element: &mut Element, name: &str, value: &str) {
    if let Ok(name) = NcName::try_from(name) {
        element.set_attr(minidom::rxml::Namespace::NONE, name, value);
    }
}

/// XEP-0359: what another server's archive called it means nothing here, and this one adds its own.
fn is_own_stanza_id(child: &Element, own: &BareJid) -> bool {
    child.is("stanza-id", ns::STANZA_ID) && child.attr("by").is_none_or(|by| by == own.as_str())
}

fn own_stanza_id<'a>(message: &'a Element, own: &BareJid) -> Option<&'a str> {
    message.children().find(|child| is_own_stanza_id(child, own)).and_then(|child| child.attr("id"))
}

/// The element without those children.
fn without(mut element: Element, goes: impl Fn(&Element) -> bool) -> Element {
    for node in element.take_nodes() {
        if !node.as_element().is_some_and(&goes) {
            element.append_node(node);
        }
    }
    element
}

fn is_worth_archiving(xml: &str) -> bool {
    Stanza::from_text(xml.to_owned()).is_some_and(|stanza| mailbox::keeping(&stanza) == Keep::Archive)
}

/// Tells messages apart within one mailbox and moment; never stored.
fn digest(direction: Direction, peer: &BareJid, xml: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (direction, peer.as_str(), xml).hash(&mut hasher);
    hasher.finish()
}

/// The same of a stored message, written as one that was read.
fn digest_of(stored: &Stored) -> u64 {
    let tree = xmpp::xml::Element::parse(stored.stanza.clone(), ns::CLIENT).and_then(|element| element.to_dom());
    let mut hasher = DefaultHasher::new();
    match tree {
        Ok(tree) => (stored.direction, stored.peer.as_str(), stored_form(&tree)).hash(&mut hasher),
        Err(_) => stored.stanza.hash(&mut hasher),
    }
    hasher.finish()
}
