//! Hop 2: what the client of a session sends, in order, each stanza handled before it is counted (XEP-0198).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jid::Jid;
use tokio::io::AsyncRead;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::ns;
use xmpp::stanza::{IqType, Kind, Rejected, Stanza};
use xmpp::xml::{Element, Frame};

use super::connection::Ending;
use super::resume;
use super::wire::{Incoming, WireError};
use crate::host::Host;
use crate::routing::{self, Origin, Unhandled, message};
use crate::sessions::{Outbound, Session};

/// Messages of one client that share a commit.
const BATCH: usize = 64;

/// What reading needs.
pub(super) struct Reader<'a> {
    pub(super) host: &'a Arc<Host>,
    pub(super) session: &'a Arc<Session>,
    pub(super) incoming: &'a mut Incoming,
    pub(super) progress: &'a Progress,
}

/// Whether a reader is in the middle of something, and whether it should stop after that.
#[derive(Debug, Default)]
pub(super) struct Progress {
    busy: AtomicBool,
    stop: AtomicBool,
}

impl Progress {
    /// Nothing more is begun.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A stanza is being handled.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }
}

/// Reads until the stream ends.
pub(super) async fn read(mut reader: Reader<'_>, mut from: impl AsyncRead + Unpin) -> Ending {
    loop {
        reader.progress.busy.store(true, Ordering::Relaxed);
        // Boxed, so that a session that waits for its client does not keep room for all that it may be asked.
        if let Err(ending) = Box::pin(reader.handle_what_is_here()).await {
            return ending;
        }
        reader.progress.busy.store(false, Ordering::Relaxed);
        if let Err(error) = reader.incoming.fill(&mut from).await {
            return WireError::from(error).stream_error().map_or(Ending::Lost, Ending::Error);
        }
        reader.session.heard_ms.store(reader.host.clock.now_ms(), Ordering::Relaxed);
    }
}

impl Reader<'_> {
    /// Handles every frame that has come; runs of messages are stored together.
    async fn handle_what_is_here(&mut self) -> Result<(), Ending> {
        let mut messages = Vec::new();
        loop {
            if messages.is_empty() && self.progress.stop.load(Ordering::Relaxed) {
                return Err(Ending::Lost);
            }
            let frame = self.incoming.next_frame();
            let ends_run = !matches!(&frame, Ok(Some(Frame::Element(element))) if is_message(element));
            if (ends_run || messages.len() >= BATCH) && !messages.is_empty() {
                self.handle_messages(std::mem::take(&mut messages)).await?;
            }
            let frame = frame.map_err(|error| match WireError::from(error).stream_error() {
                Some(error) => Ending::Error(error),
                None => Ending::Lost,
            })?;
            match frame {
                None => return Ok(()),
                Some(Frame::Close) => return Err(Ending::Closed),
                // RFC 6120 §4.9.3.1: a second stream header inside a stream.
                Some(Frame::Open(_)) => return Err(Ending::Error(StreamError::new("bad-format"))),
                Some(Frame::Element(element)) => match element.namespace() {
                    ns::CLIENT => {
                        if let Some(stanza) = self.stanza(element).await? {
                            match stanza.kind {
                                Kind::Message(_) => messages.push(stanza),
                                _ => self.handle(stanza).await?,
                            }
                        }
                    }
                    _ => self.handle_nonza(&element).await?,
                },
            }
        }
    }

    /// Parses a stanza and stamps its sender. None: it was answered with an error.
    async fn stanza(&self, element: Element) -> Result<Option<Stanza>, Ending> {
        let own = self.session.full_jid();
        match Stanza::parse(element) {
            Ok(mut stanza) => {
                // RFC 6120 §8.1.2.1: the client may only speak for itself.
                let is_own = |from: &Jid| *from == own || *from == self.session.account.jid;
                if !stanza.from.as_ref().is_none_or(is_own) {
                    return Err(Ending::Error(StreamError::new("invalid-from")));
                }
                stanza.from = Some(own);
                Ok(Some(stanza))
            }
            Err(Rejected::Faulty(mut stanza, error)) => {
                stanza.from = Some(own);
                routing::answer_error(self.host, &Origin::Session(self.session), &stanza, &error).await;
                self.count(1);
                Ok(None)
            }
            Err(Rejected::NotAStanza) => Err(Ending::Error(StreamError::new("unsupported-stanza-type"))),
        }
    }

    async fn handle_messages(&self, messages: Vec<Stanza>) -> Result<(), Ending> {
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        match message::handle(self.host, &Origin::Session(self.session), messages).await {
            Ok(()) => {
                self.count(count);
                Ok(())
            }
            Err(Unhandled::NotStored) => self.not_stored(),
        }
    }

    async fn handle(&self, stanza: Stanza) -> Result<(), Ending> {
        if matches!(stanza.kind, Kind::Iq(IqType::Set)) && stanza.has("bind", ns::BIND) {
            // RFC 6120 §7.7: one resource per stream.
            let error = StanzaError::with_text(Condition::NotAllowed, "a resource is bound already");
            routing::answer_error(self.host, &Origin::Session(self.session), &stanza, &error).await;
        } else if routing::route(self.host, &Origin::Session(self.session), stanza).await.is_err() {
            return self.not_stored();
        }
        self.count(1);
        Ok(())
    }

    /// What could not be stored must not be acknowledged, nor anything after it: h is one number. The client was told;
    /// with stream management it comes back and sends again what was never acknowledged.
    fn not_stored(&self) -> Result<(), Ending> {
        if !self.session.counting.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Ending::Interrupted(StreamError::with_text("resource-constraint", "the message could not be stored")))
    }

    fn count(&self, stanzas: u32) {
        if self.session.counting.load(Ordering::Relaxed) {
            // XEP-0198 §4: wraps at 2^32, as fetch_add does.
            self.session.handled.fetch_add(stanzas, Ordering::Release);
        }
    }

    async fn handle_nonza(&self, element: &Element) -> Result<(), Ending> {
        let session = self.session;
        match (element.namespace(), element.name()) {
            (ns::SM, "r") => {
                let h = session.handled.load(Ordering::Acquire).to_string();
                let answer = Xml::new("a", ns::SM).attr("h", h).to_string();
                session.enqueue(Outbound::Nonza(answer.into())).await;
            }
            (ns::SM, "a") => self.acknowledged(element).await?,
            (ns::SM, "enable") => self.enable_sm(element).await,
            (ns::SM, "resume") => {
                session.enqueue(Outbound::Nonza(resume::failed(Condition::UnexpectedRequest).into())).await;
            }
            (ns::CSI, "active") => session.enqueue(Outbound::ClientActive(true)).await,
            (ns::CSI, "inactive") => session.enqueue(Outbound::ClientActive(false)).await,
            _ => return Err(Ending::Error(StreamError::new("unsupported-stanza-type"))),
        }
        Ok(())
    }

    async fn acknowledged(&self, element: &Element) -> Result<(), Ending> {
        let h = element.attr("h").and_then(|h| h.trim().parse::<u32>().ok());
        let Some(h) = h else { return Err(Ending::Error(StreamError::new("bad-format"))) };
        let (delivered, ask_again) = {
            let mut guard = self.session.sm.lock();
            let Some(sm) = guard.as_mut() else { return Ok(()) };
            let waited = sm.waiting().0;
            let delivered: Vec<_> = match sm.acknowledge(h) {
                Ok(acked) => acked.filter_map(|delivery| delivery.undelivered).collect(),
                Err(error) => return Err(Ending::Error(handled_count_too_high(error))),
            };
            // What was sent after the question is asked about anew, or the last stanzas would wait for ever. Not of a
            // client that has handled nothing since: it would be asked again and again.
            sm.asked = (1..waited).contains(&sm.waiting().0);
            (delivered, sm.asked)
        };
        self.session.acknowledged.notify_one();
        if ask_again {
            self.session.push(Outbound::Nonza(super::writer::ask().into()));
        }
        crate::mailbox::delivered(&self.host.db, &self.session.account, &delivered).await;
        Ok(())
    }

    /// XEP-0198 §3
    async fn enable_sm(&self, element: &Element) {
        let session = self.session;
        if session.counting.swap(true, Ordering::AcqRel) {
            session.enqueue(Outbound::Nonza(resume::failed(Condition::UnexpectedRequest).into())).await;
            return;
        }
        let resumable = matches!(element.attr("resume").as_deref(), Some("true" | "1"));
        let longest = element.attr("max").and_then(|max| max.trim().parse().ok());
        let (sm, enabled) = resume::enable(self.host, session, resumable, longest);
        let item = Outbound::EnableSm(Box::new((sm, enabled.to_string())));
        session.enqueue(item).await;
    }
}

fn is_message(element: &Element) -> bool {
    element.is("message", ns::CLIENT)
}

/// XEP-0198 §4: the client acknowledges what was never sent.
pub(super) fn handled_count_too_high(error: crate::sessions::SentTooLittle) -> StreamError {
    let application = Xml::new("handled-count-too-high", ns::SM)
        .attr("h", error.h.to_string())
        .attr("send-count", error.sent.to_string())
        .to_string();
    StreamError { application: Some(application), ..StreamError::new("undefined-condition") }
}
