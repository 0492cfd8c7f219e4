//! What waits to be written to a session's client.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use storage::ArchiveId;
use tokio::sync::mpsc;

use super::sm::Sm;

/// How soon an inactive client (XEP-0352) needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// At once.
    Urgent,
    /// A contact's presence: only the newest of each sender matters. The sender's JID.
    Presence(Arc<str>),
    /// A message that is nothing but a chat state: likewise.
    ChatState(Arc<str>),
}

/// A serialised stanza on its way to one or many sessions.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The stanza, ready for any client stream.
    pub xml: Bytes,
    /// How soon an inactive client needs it.
    pub class: Class,
    /// The mailbox entry whose `undelivered` pointer goes once the client has it.
    pub undelivered: Option<ArchiveId>,
}

impl Delivery {
    /// A stanza to be written at once, with no trace in the mailbox.
    pub fn urgent(xml: impl Into<Bytes>) -> Self {
        Self { xml: xml.into(), class: Class::Urgent, undelivered: None }
    }
}

/// One item of a session's queue, in the order of writing. Small: the queue keeps room for 32 of them.
#[derive(Debug)]
pub enum Outbound {
    /// A stanza, counted by stream management.
    Stanza(Arc<Delivery>),
    /// Stream-level XML that is no stanza.
    Nonza(Box<str>),
    /// Stream management begins here (XEP-0198 §3): its state, and the `<enabled/>` to write.
    EnableSm(Box<(Sm, String)>),
    /// Everything undelivered up to this id is to be written here, before what follows (XEP-0160). The session was
    /// available when the id was made: what is newer comes through the queue.
    FlushOffline(ArchiveId),
    /// The client says it is inactive or active (XEP-0352).
    ClientActive(bool),
}

impl Outbound {
    /// Bytes of the stanza in it.
    pub fn stanza_bytes(&self) -> usize {
        match self {
            Self::Stanza(delivery) => delivery.xml.len(),
            _ => 0,
        }
    }
}

/// Bytes about to be written, and what is delivered once they are.
#[derive(Debug, Default)]
pub struct Batch {
    /// What the socket has not taken yet.
    pub bytes: BytesMut,
    /// Without stream management a stanza counts as delivered when it was written.
    pub delivered: Vec<ArchiveId>,
}

/// The reading end of a session's queue with what must survive a change of socket.
#[derive(Debug)]
pub struct Outbox {
    /// The queue.
    pub queue: mpsc::Receiver<Outbound>,
    /// Taken from the queue, not yet written or counted; it survives a connection that is lost in between.
    pub taken: VecDeque<Outbound>,
    /// Offline messages up to this id are being written; begins anew when a socket was lost in between.
    pub flushing: Option<ArchiveId>,
    /// Mailbox entries written by the flush, which may stand in the queue too.
    pub flushed: HashSet<ArchiveId>,
    /// Stanzas held back for an inactive client, oldest first (XEP-0352). None while it is active.
    pub held: Option<Vec<Arc<Delivery>>>,
    /// Being written. A write that is interrupted leaves the rest here, so that a stanza is never cut in two; it is
    /// lost with the socket.
    pub batch: Batch,
}

impl Outbox {
    /// An outbox at the end of `queue`.
    pub fn new(queue: mpsc::Receiver<Outbound>) -> Self {
        Self {
            queue,
            taken: VecDeque::new(),
            flushing: None,
            flushed: HashSet::new(),
            held: None,
            batch: Batch::default(),
        }
    }

    /// The client is back on another connection (XEP-0198 §5). What was to be said of the old one is left out: an old
    /// count of handled stanzas would contradict `<resumed/>`. The client is active again (XEP-0352 §5).
    pub fn move_to_another_connection(&mut self) {
        self.batch = Batch::default();
        while let Ok(item) = self.queue.try_recv() {
            self.taken.push_back(item);
        }
        self.taken.retain(|item| !matches!(item, Outbound::Nonza(_) | Outbound::ClientActive(_)));
        for delivery in self.held.take().into_iter().flatten().rev() {
            self.taken.push_front(Outbound::Stanza(delivery));
        }
    }
}
