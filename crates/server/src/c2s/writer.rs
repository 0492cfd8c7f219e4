//! Hop 5: from a session's queue to the socket. Stream management, client state and offline delivery act here, where
//! the order of writing is decided.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Buf;
use storage::ArchiveId;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use xmpp::build::Xml;
use xmpp::ns;

use super::connection::Ending;
use crate::host::Host;
use crate::limits::Limits;
use crate::mailbox;
use crate::sessions::{Batch, Class, Delivery, Outbound, Outbox, Session};

/// Items taken from the queue for one write.
const BATCH: usize = 64;

/// Asks the client what it has handled (XEP-0198 §4).
pub(super) fn ask() -> &'static str {
    static ASK: LazyLock<String> = LazyLock::new(|| Xml::new("r", ns::SM).to_string());
    &ASK
}

/// What writing needs.
pub(super) struct Writer<'a> {
    pub(super) host: &'a Arc<Host>,
    pub(super) session: &'a Arc<Session>,
    pub(super) outbox: &'a mut Outbox,
}

/// Writes until the connection fails or the client is silent for too long.
pub(super) async fn write(mut writer: Writer<'_>, mut to: impl AsyncWrite + Unpin) -> Ending {
    let mut items = Vec::new();
    let mut done = writer.go_on(&mut to).await;
    loop {
        match done {
            Ok(()) => {}
            Err(Broken::Socket) => return Ending::Lost,
            Err(Broken::Overflow) => {
                let text = "too many stanzas wait for an acknowledgement";
                return Ending::Error(xmpp::error::StreamError::with_text("policy-violation", text));
            }
        }
        let wait = writer.until_question();
        let taken = tokio::time::timeout(wait, writer.outbox.queue.recv_many(&mut items, BATCH)).await;
        writer.outbox.taken.extend(items.drain(..));
        done = match taken {
            Ok(0) => return Ending::Lost,
            Ok(_) => writer.write_taken(&mut to).await,
            Err(_) if writer.is_silent_for_too_long() => return Ending::Lost,
            Err(_) => writer.ask_for_life(&mut to).await,
        };
    }
}

/// Writes what was begun and what is in the queue now; false when the socket did not take it.
pub(super) async fn drain(mut writer: Writer<'_>, mut to: impl AsyncWrite + Unpin) -> bool {
    if writer.send(&mut to).await.is_err() {
        return false;
    }
    if writer.outbox.flushing.is_some() {
        // What is in the queue comes after the offline messages, and those are too many for now.
        return true;
    }
    while let Ok(item) = writer.outbox.queue.try_recv() {
        writer.outbox.taken.push_back(item);
    }
    !matches!(writer.write_taken(&mut to).await, Err(Broken::Socket))
}

/// Why writing cannot go on.
enum Broken {
    Socket,
    /// The client's unacknowledged stanzas reached their bound.
    Overflow,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Socket
    }
}

impl Writer<'_> {
    /// What another connection has left.
    async fn go_on(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        self.send(to).await?;
        if let Some(until) = self.outbox.flushing {
            Box::pin(self.flush_offline(until, to)).await?;
        }
        self.write_taken(to).await
    }

    async fn write_taken(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        // A page of the archive would grow the buffer again and again.
        self.outbox.batch.bytes.reserve(self.outbox.taken.iter().map(Outbound::stanza_bytes).sum());
        while let Some(item) = self.outbox.taken.pop_front() {
            match item {
                Outbound::Stanza(delivery) => self.stanza(delivery)?,
                Outbound::Nonza(xml) => self.outbox.batch.bytes.extend_from_slice(xml.as_bytes()),
                Outbound::EnableSm(enabling) => {
                    let (sm, enabled) = *enabling;
                    *self.session.sm.lock() = Some(sm);
                    self.outbox.batch.bytes.extend_from_slice(enabled.as_bytes());
                }
                Outbound::ClientActive(false) => {
                    self.outbox.held.get_or_insert_default();
                }
                Outbound::ClientActive(true) => {
                    for delivery in self.outbox.held.take().into_iter().flatten() {
                        self.put(delivery)?;
                    }
                }
                Outbound::FlushOffline(until) => {
                    self.outbox.flushing = Some(until);
                    self.send(to).await?;
                    // Boxed, so that a session does not keep room for what happens once.
                    Box::pin(self.flush_offline(until, to)).await?;
                }
            }
        }
        self.send(to).await
    }

    /// A stanza's turn has come: it is written, held back for an inactive client, or was written by a flush already.
    fn stanza(&mut self, delivery: Arc<Delivery>) -> Result<(), Broken> {
        if delivery.undelivered.is_some_and(|id| self.outbox.flushed.remove(&id)) {
            return Ok(());
        }
        let Some(held) = self.outbox.held.as_mut() else { return self.put(delivery) };
        if delivery.class == Class::Urgent {
            return self.put(delivery);
        }
        // XEP-0352 §5: only the newest presence or chat state of each sender is worth sending later.
        held.retain(|older| older.class != delivery.class);
        held.push(delivery);
        if held.len() > self.host.config.limits.csi_queue_stanzas_max {
            for delivery in std::mem::take(held) {
                self.put(delivery)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, delivery: Arc<Delivery>) -> Result<(), Broken> {
        self.host.metrics.sent.count_xml(&delivery.xml);
        let batch = &mut self.outbox.batch;
        batch.bytes.extend_from_slice(&delivery.xml);
        match self.session.sm.lock().as_mut() {
            Some(sm) => {
                sm.sent(delivery);
                let (stanzas, bytes) = sm.waiting();
                let limits = &self.host.config.limits;
                if stanzas > limits.sm_queue_stanzas_max || bytes > limits.sm_queue_bytes_max {
                    return Err(Broken::Overflow);
                }
            }
            None => batch.delivered.extend(delivery.undelivered),
        }
        Ok(())
    }

    /// One write for the batch, with a question at its end when the client has one to answer. Cancel-safe: called
    /// again, it goes on where it was.
    async fn send(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        let batch = &mut self.outbox.batch;
        if let Some(sm) = self.session.sm.lock().as_mut()
            && !sm.asked
            && sm.waiting().0 > 0
        {
            sm.asked = true;
            batch.bytes.extend_from_slice(ask().as_bytes());
        }
        if batch.bytes.is_empty() && batch.delivered.is_empty() {
            return Ok(());
        }
        while batch.bytes.has_remaining() {
            if to.write_buf(&mut batch.bytes).await? == 0 {
                return Err(Broken::Socket);
            }
        }
        to.flush().await?;
        // Its memory goes too.
        let Batch { delivered, .. } = std::mem::take(batch);
        if !delivered.is_empty() {
            Box::pin(mailbox::delivered(&self.host.db, &self.session.account, &delivered)).await;
        }
        Ok(())
    }

    /// XEP-0160 §3: everything undelivered, oldest first, before what is in the queue behind the command.
    async fn flush_offline(&mut self, until: ArchiveId, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        // After a resumption some were sent already and wait for the client's acknowledgement.
        let skip: HashSet<ArchiveId> = match self.session.sm.lock().as_ref() {
            Some(sm) => sm.unacked().filter_map(|delivery| delivery.undelivered).collect(),
            None => HashSet::new(),
        };
        self.outbox.flushed.extend(&skip);
        // What another session has just written to its client must not be read as undelivered.
        if let Err(error) = self.session.account.settle(&self.host.db).await {
            tracing::error!(%error, "offline messages could not be read");
            return Err(Broken::Socket);
        }
        let mut after = None;
        loop {
            let page = mailbox::undelivered_page(self.host, &self.session.account, (after, until), &skip).await;
            let (last, messages) = match page {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "offline messages could not be read");
                    return Err(Broken::Socket);
                }
            };
            self.host.metrics.caught_up.add(u64::try_from(messages.len()).unwrap_or(u64::MAX));
            for (id, xml) in messages {
                self.outbox.flushed.insert(id);
                self.put(Arc::new(Delivery { xml, class: Class::Urgent, undelivered: Some(id) }))?;
                if self.is_crowded() {
                    self.send(to).await?;
                    self.wait_for_room(to).await?;
                }
            }
            self.send(to).await?;
            after = Some(last);
        }
        self.outbox.flushing = None;
        Ok(())
    }

    /// A long queue of offline messages is sent at the pace of the client's acknowledgements.
    async fn wait_for_room(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        while self.is_crowded() {
            let limits = &self.host.config.limits;
            let answer = self.session.acknowledged.notified();
            if tokio::time::timeout(Duration::from_secs(limits.ping_timeout_secs), answer).await.is_err() {
                self.ask_for_life(to).await?;
                if self.is_silent_for_too_long() {
                    return Err(Broken::Socket);
                }
            }
        }
        Ok(())
    }

    /// Whether the client should acknowledge something before it is sent more than it must have at once.
    fn is_crowded(&self) -> bool {
        let limits = &self.host.config.limits;
        self.session.sm.lock().as_ref().is_some_and(|sm| {
            let (stanzas, bytes) = sm.waiting();
            stanzas > limits.sm_queue_stanzas_max / 2 || bytes > limits.sm_queue_bytes_max / 2
        })
    }

    /// How long until the client is asked whether it is there.
    fn until_question(&self) -> Duration {
        let limits = &self.host.config.limits;
        let silent_ms = self.host.clock.now_ms().saturating_sub(self.session.heard_ms.load(Ordering::Relaxed));
        let silent = Duration::from_millis(u64::try_from(silent_ms).unwrap_or(0));
        let idle = Duration::from_secs(limits.idle_secs);
        let last = idle + Duration::from_secs(limits.ping_timeout_secs);
        // Before the question that moment; after it the end of the wait for an answer.
        if silent < idle { idle - silent } else { last.saturating_sub(silent).max(Duration::from_millis(100)) }
    }

    fn is_silent_for_too_long(&self) -> bool {
        let limits = &self.host.config.limits;
        let last_secs = limits.idle_secs.saturating_add(limits.ping_timeout_secs);
        let silent_ms = self.host.clock.now_ms().saturating_sub(self.session.heard_ms.load(Ordering::Relaxed));
        u64::try_from(silent_ms / 1000).unwrap_or(0) >= last_secs
    }

    /// Asks for a sign of life: `<r/>` with stream management, else a ping (XEP-0199 §4.1).
    async fn ask_for_life(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        let has_sm = self.session.sm.lock().as_mut().map(|sm| sm.asked = true).is_some();
        if has_sm {
            self.outbox.batch.bytes.extend_from_slice(ask().as_bytes());
        } else {
            let ping = Xml::bare("iq")
                .attr("from", self.host.domain.as_str())
                .attr("to", self.session.jid.as_str())
                .attr("type", "get")
                .attr("id", super::random_id())
                .child(Xml::new("ping", ns::PING))
                .to_string();
            self.outbox.batch.bytes.extend_from_slice(ping.as_bytes());
        }
        self.send(to).await
    }
}

/// Keeps an item for a client that is away; false when its queue is full.
pub(super) fn keep_for_later(limits: &Limits, session: &Session, outbox: &mut Outbox, item: Outbound) -> bool {
    let delivery = match item {
        Outbound::Stanza(delivery) => delivery,
        Outbound::FlushOffline(until) => {
            outbox.flushing = Some(until);
            return true;
        }
        Outbound::ClientActive(_) | Outbound::Nonza(_) | Outbound::EnableSm(..) => return true,
    };
    if delivery.undelivered.is_some_and(|id| outbox.flushed.remove(&id)) {
        return true;
    }
    if outbox.flushing.is_some() {
        // Offline messages come first, and go on when the client is back.
        outbox.taken.push_back(Outbound::Stanza(delivery));
        let bytes: usize = outbox.taken.iter().map(Outbound::stanza_bytes).sum();
        return outbox.taken.len() <= limits.sm_queue_stanzas_max && bytes <= limits.sm_queue_bytes_max;
    }
    match session.sm.lock().as_mut() {
        Some(sm) => {
            sm.sent(delivery);
            let (stanzas, bytes) = sm.waiting();
            stanzas <= limits.sm_queue_stanzas_max && bytes <= limits.sm_queue_bytes_max
        }
        None => false,
    }
}
