//! A device of a user who has several: it sends, comes and goes, and keeps what it has seen (XEP-0198, XEP-0280,
//! XEP-0313).

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::faults::{Archived, Fate, Note, archived_after};
use testkit::{Client, Login, Suspended, show};

const CLIENT: &str = "jabber:client";
const SM: &str = "urn:xmpp:sm:3";
const CARBONS: &str = "urn:xmpp:carbons:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const SID: &str = "urn:xmpp:sid:0";

/// A message as a device shows it: who wrote it (a full JID), and what.
pub(crate) type Line = (String, Note);

pub(crate) struct Device {
    login: Login,
    /// The other user's bare JID.
    peer: String,
    link: Link,
    /// Everything it has sent, and what the server said of it.
    pub(crate) sent: Vec<(Note, Fate)>,
    counters: usize,
    /// Stanzas of this session that are not acknowledged; `None` for those that are no messages.
    outgoing: VecDeque<Option<Note>>,
    h: u32,
    /// Everything it knows, by stanza-id.
    pub(crate) known: BTreeMap<String, Line>,
    /// The stanza-ids of what came without being asked for and was new, in the order of arrival.
    pub(crate) live: Vec<String>,
    /// Every contradiction it saw.
    pub(crate) complaints: Vec<String>,
}

enum Link {
    Off,
    Up(Box<Client>),
    Cut(Box<Suspended>),
}

impl Device {
    pub(crate) fn new(login: Login, peer: String) -> Self {
        Self {
            login,
            peer,
            link: Link::Off,
            sent: Vec::new(),
            counters: 0,
            outgoing: VecDeque::new(),
            h: 0,
            known: BTreeMap::new(),
            live: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// Its full JID.
    pub(crate) fn jid(&self) -> String {
        let Login { localpart, domain, resource, .. } = &self.login;
        format!("{localpart}@{domain}/{}", resource.as_deref().unwrap_or_default())
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.link, Link::Cut(_))
    }

    fn client(&mut self) -> Result<&mut Client> {
        match &mut self.link {
            Link::Up(client) => Ok(client),
            _ => anyhow::bail!("not connected"),
        }
    }

    /// Connects as a new session, catches up, and sends again what was never acknowledged.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        // What the archive has from here on is news; what arrives before it was read does not change that.
        let caught_up = self.known.keys().next_back().cloned();
        let mut client = Client::connect(self.login.clone()).await?;
        client.iq(&format!("<iq type='set'><enable xmlns='{CARBONS}'/></iq>")).await?;
        client.come_online().await?;
        let (archive, others) = archived_after(&mut client, caught_up.as_deref()).await?;
        self.take_archive(archive);
        others.iter().for_each(|element| self.take(element));
        client.enable_sm().await?;
        self.h = 0;
        self.link = Link::Up(Box::new(client));
        let unacknowledged = std::mem::take(&mut self.outgoing);
        // What came before `<enabled/>` counts as delivered: it must be read before anything can happen to it.
        self.receive(false).await?;
        self.repeat(unacknowledged, Fate::Unknown).await
    }

    /// Comes back on a new connection: resumes if the server still can.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        let Link::Cut(suspended) = std::mem::replace(&mut self.link, Link::Off) else { return Ok(()) };
        let (client, answer) = suspended.resume().await?;
        self.link = Link::Up(Box::new(client));
        self.acknowledged(answer.attr("h").context("no h")?.parse()?)?;
        let unacknowledged = std::mem::take(&mut self.outgoing);
        self.repeat(unacknowledged, Fate::Refused).await
    }

    async fn repeat(&mut self, unacknowledged: VecDeque<Option<Note>>, fate: Fate) -> Result<()> {
        for note in unacknowledged.into_iter().flatten() {
            if let Some(sent) = self.sent.get_mut(note.serial) {
                sent.1 = fate;
            }
            self.write(note.counter, note.attempt + 1).await?;
        }
        Ok(())
    }

    /// Sends a message and does not wait.
    pub(crate) async fn send(&mut self) -> Result<()> {
        self.counters += 1;
        self.write(self.counters, 1).await
    }

    async fn write(&mut self, counter: usize, attempt: usize) -> Result<()> {
        let note = Note { serial: self.sent.len(), counter, attempt };
        self.sent.push((note, Fate::Unknown));
        self.outgoing.push_back(Some(note));
        let message = format!("<message type='chat' to='{}'><body>{}</body></message>", self.peer, note.body());
        self.client()?.send(&message).await
    }

    /// Reads everything that the server has sent so far; `acknowledge` tells it so.
    pub(crate) async fn receive(&mut self, acknowledge: bool) -> Result<()> {
        self.outgoing.push_back(None);
        let arrived = self.client()?.arrived().await?;
        arrived.iter().for_each(|element| self.take(element));
        if acknowledge {
            self.client()?.ack().await?;
        }
        Ok(())
    }

    /// Asks what of its own the server has handled.
    pub(crate) async fn learn(&mut self) -> Result<()> {
        let h = self.client()?.acked().await?;
        self.acknowledged(h)?;
        self.receive(false).await
    }

    fn acknowledged(&mut self, h: u32) -> Result<()> {
        for _ in 0..h.wrapping_sub(self.h) {
            let stanza = self.outgoing.pop_front().context("the server acknowledges more than was sent")?;
            if let Some(sent) = stanza.and_then(|note| self.sent.get_mut(note.serial)) {
                sent.1 = Fate::Acknowledged;
            }
        }
        self.h = h;
        Ok(())
    }

    /// Says whether it is looked at (XEP-0352).
    pub(crate) async fn set_active(&mut self, active: bool) -> Result<()> {
        let name = if active { "active" } else { "inactive" };
        self.client()?.send(&format!("<{name} xmlns='urn:xmpp:csi:0'/>")).await
    }

    /// Reads on in the archive from the last message it knows.
    pub(crate) async fn synchronise(&mut self) -> Result<()> {
        let last = self.known.keys().next_back().cloned();
        // One page, for as long as a case stays shorter than that.
        self.outgoing.push_back(None);
        let (archive, others) = archived_after(self.client()?, last.as_deref()).await?;
        ensure!(archive.len() < 250, "the archive is too long for one page");
        self.take_archive(archive);
        others.iter().for_each(|element| self.take(element));
        Ok(())
    }

    /// The network is gone; what was read is kept, what was not is on its way or lost.
    pub(crate) fn cut(&mut self) {
        match std::mem::replace(&mut self.link, Link::Off) {
            Link::Up(client) => self.link = Link::Cut(Box::new(client.cut())),
            other => self.link = other,
        }
    }

    /// Closes the stream: what the server had not sent yet or was not told of waits for the next session.
    pub(crate) async fn close(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.link, Link::Off) {
            Link::Up(client) => client.close().await,
            _ => Ok(()),
        }
    }

    fn take_archive(&mut self, archive: Vec<Archived>) {
        for Archived { id, from, body, .. } in archive {
            if let Some(note) = Note::parse(&body) {
                self.know(id, (from, note));
            }
        }
    }

    /// A message, or a carbon of one.
    fn take(&mut self, element: &Element) {
        if element.is("r", SM) || element.is("a", SM) || element.name() != "message" {
            return;
        }
        let carbon = element.children().find(|child| child.ns() == CARBONS);
        let forwarded = carbon.and_then(|carbon| carbon.get_child("forwarded", FORWARD)?.get_child("message", CLIENT));
        let message = forwarded.unwrap_or(element);
        let own = format!("{}@{}", self.login.localpart, self.login.domain);
        let id = message.children().find(|child| child.is("stanza-id", SID) && child.attr("by") == Some(&own));
        let note = message.get_child("body", CLIENT).and_then(|body| Note::parse(&body.text()));
        match (id.and_then(|id| id.attr("id")), message.attr("from"), note) {
            (Some(id), Some(from), Some(note)) => {
                let line = (from.to_owned(), note);
                if !self.known.contains_key(id) {
                    self.live.push(id.to_owned());
                }
                self.know(id.to_owned(), line);
            }
            _ => self.complaints.push(format!("{} received {}", self.jid(), show(element))),
        }
    }

    fn know(&mut self, id: String, line: Line) {
        if let Some(other) = self.known.get(&id)
            && *other != line
        {
            self.complaints.push(format!("{}: {id} is {other:?} and {line:?}", self.jid()));
        }
        self.known.insert(id, line);
    }
}
