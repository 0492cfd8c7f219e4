//! One bound resource (RFC 6120 §7) and what others may see and do of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use bytes::Bytes;
use jid::{FullJid, Jid};
use parking_lot::Mutex;
use storage::DeviceId;
use tokio::sync::{Notify, mpsc};
use xmpp::error::StreamError;

use super::control::{Control, ControlSlot};
use super::outbound::{Delivery, Outbound, Outbox};
use super::sm::Sm;
use crate::accounts::Account;
use crate::pep::SessionCaps;

/// A session's presence (RFC 6121 §4).
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// The last available presence, with `from` stamped and without `to`; None while unavailable.
    pub available: Option<Arc<xmpp::stanza::Stanza>>,
    /// Its priority, -128 to 127.
    pub priority: i8,
    /// Who was sent directed presence and is told when the session goes (RFC 6121 §4.6).
    pub directed: BTreeSet<Jid>,
    /// The client wants no photo to be told of (XEP-0153 §4.1).
    pub hides_photo: bool,
    /// What is known of its client's capabilities (XEP-0115).
    pub caps: SessionCaps,
}

impl Presence {
    /// Whether it is available, and its client wants to be told of that node (XEP-0163 §4.3.2).
    pub fn wants(&self, node: &str) -> bool {
        self.available.is_some() && self.caps.wants(node)
    }
}

/// A bound resource.
pub struct Session {
    /// Its full JID.
    pub jid: FullJid,
    /// Its account.
    pub account: Arc<Account>,
    /// The device it is on, when its client named it (XEP-0388).
    pub device: Option<DeviceId>,
    /// The address its client last connected from.
    pub ip: IpAddr,
    /// Commands for the task that owns it.
    pub control: ControlSlot,
    /// Its presence.
    pub presence: Mutex<Presence>,
    /// Outgoing stream management, once enabled (XEP-0198).
    pub sm: Mutex<Option<Sm>>,
    /// The client has acknowledged something.
    pub acknowledged: Notify,
    /// Stanzas handled of what the client sent since it enabled stream management.
    pub handled: AtomicU32,
    /// Whether stanzas of the client are counted.
    pub counting: AtomicBool,
    /// Message carbons are on (XEP-0280).
    pub carbons: AtomicBool,
    /// The client has asked for its roster and so gets pushes (RFC 6121 §2.1.6).
    pub wants_roster: AtomicBool,
    /// The client has asked for its block list and so gets pushes (XEP-0191 §3.2).
    pub wants_blocklist: AtomicBool,
    /// The last byte from the client, in ms since the epoch.
    pub heard_ms: AtomicI64,
    queue: mpsc::Sender<Outbound>,
}

/// What a session is made from.
pub struct NewSession {
    /// Its full JID.
    pub jid: FullJid,
    /// Its account.
    pub account: Arc<Account>,
    /// The device it is on, when its client named it.
    pub device: Option<DeviceId>,
    /// The client's address.
    pub ip: IpAddr,
    /// The bound of its queue, in items.
    pub queue_max: usize,
}

impl Session {
    /// A fresh session and the outbox its task owns.
    pub fn new(new: NewSession) -> (Arc<Self>, Outbox) {
        let (queue, receiver) = mpsc::channel(new.queue_max);
        let session = Self {
            jid: new.jid,
            account: new.account,
            device: new.device,
            ip: new.ip,
            control: ControlSlot::default(),
            presence: Mutex::default(),
            sm: Mutex::default(),
            acknowledged: Notify::new(),
            handled: AtomicU32::new(0),
            counting: AtomicBool::new(false),
            carbons: AtomicBool::new(false),
            wants_roster: AtomicBool::new(false),
            wants_blocklist: AtomicBool::new(false),
            heard_ms: AtomicI64::new(0),
            queue,
        };
        (Arc::new(session), Outbox::new(receiver))
    }

    /// The full JID as a [`Jid`].
    pub fn full_jid(&self) -> Jid {
        Jid::from(self.jid.clone())
    }

    /// The priority while available, else None.
    pub fn priority(&self) -> Option<i8> {
        let presence = self.presence.lock();
        presence.available.as_ref().map(|_| presence.priority)
    }

    /// Queues a stanza from someone else. A full queue ends the session: its reader is too slow, nobody waits for it,
    /// and what is undelivered stays so.
    pub fn deliver(&self, delivery: impl Into<Arc<Delivery>>) -> bool {
        self.push(Outbound::Stanza(delivery.into()))
    }

    /// Queues an item that must be written in its place among the stanzas.
    pub fn push(&self, item: Outbound) -> bool {
        match self.queue.try_send(item) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.end(StreamError::with_text("resource-constraint", "too many stanzas wait for this client"));
                false
            }
        }
    }

    /// Queues an answer to the session's own client; waits while the queue is full, which holds back the reading of
    /// what the client sends next.
    pub async fn reply(&self, xml: impl Into<Bytes>) {
        // A closed queue means that the session is over: nobody is left to read the answer.
        let _ = self.queue.send(Outbound::Stanza(Delivery::urgent(xml).into())).await;
    }

    /// Like [`Session::reply`] for what is no stanza.
    pub async fn enqueue(&self, item: Outbound) {
        let _ = self.queue.send(item).await;
    }

    /// How many items wait in its queue.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Ends the session with a stream error.
    pub fn end(&self, error: StreamError) {
        self.control.put(Control::End(error));
    }

    /// Whether message carbons are on.
    pub fn has_carbons(&self) -> bool {
        self.carbons.load(Ordering::Relaxed)
    }
}
