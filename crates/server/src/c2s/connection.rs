//! Hops 2 and 5: the task of a connection, and after it of the session that outlives it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::ns;
use xmpp::stanza::{IqType, Kind, Stanza};

use super::admission::Admitted;
use super::negotiation::{self, Abandoned, Established, Peer, Resumption};
use super::reader::{Progress, Reader};
use super::wire::{Wire, WireError};
use super::writer::Writer;
use super::{listener, reader, stream_header, writer};
use crate::host::Host;
use crate::presence;
use crate::routing::{self, Origin};
use crate::sessions::{Batch, Control, Delivery, Handover, Outbound, Outbox, Session};

/// How long the last bytes of a stream may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection stopped serving its session.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client closed the stream.
    Closed,
    /// The stream ends with an error that the server found.
    Error(StreamError),
    /// The same, and the client may come back and resume: nothing it sent was acknowledged wrongly.
    Interrupted(StreamError),
    /// The connection is gone.
    Lost,
    /// Another connection has resumed the session.
    Resumed(oneshot::Sender<Handover>),
    /// Somebody ended the session.
    Ended(StreamError),
}

/// Serves a connection from its first byte to the end of its session.
///
/// A session waits in this future nearly all of its time, so it is kept small: what is large, or needed once, is boxed.
pub(super) async fn serve(host: Arc<Host>, mut wire: Box<Wire>, peer: Peer, mut admitted: Admitted) {
    let limit = Duration::from_secs(host.config.limits.pre_auth_secs);
    // Boxed, so that its size is given back with it.
    let negotiation = Box::pin(negotiation::negotiate(&host, &mut wire, peer, &mut admitted));
    let negotiated = tokio::select! {
        biased;
        () = host.stopping.cancelled() => return send_away(&host, &mut wire, &crate::run::shutdown()).await,
        negotiated = tokio::time::timeout(limit, negotiation) => negotiated,
    };
    let established = match negotiated {
        Ok(Ok(established)) => established,
        Ok(Err(abandoned)) => {
            abandon(&mut wire, abandoned).await;
            return Box::pin(linger(&host, wire)).await;
        }
        Err(_) => {
            send_away(&host, &mut wire, &listener::too_slow()).await;
            return Box::pin(linger(&host, wire)).await;
        }
    };
    let Established { session, mut outbox, resumed } = established;
    session.heard_ms.store(host.clock.now_ms(), Ordering::Relaxed);
    let is_resumed = resumed.is_some();
    if is_resumed {
        host.metrics.resumed.add(1)
    } else {
        host.metrics.begun.add(1)
    }
    if let Some(resumption) = resumed
        && let Err(error) = Box::pin(pick_up(&host, &session, &mut outbox, resumption)).await
    {
        farewell(&mut wire, Some(&error)).await;
        return Box::pin(end_session(&host, &session, &mut outbox)).await;
    }
    tracing::debug!(resource = %session.jid, resumed = is_resumed, "session");
    let ending = run(&host, &mut wire, &session, &mut outbox).await;
    tracing::debug!(?ending, "connection ends");
    match ending {
        Ending::Closed | Ending::Ended(_) | Ending::Error(_) => {
            let error = match &ending {
                Ending::Ended(error) | Ending::Error(error) => Some(error),
                _ => None,
            };
            if drain(&host, &mut wire, &session, &mut outbox).await {
                farewell(&mut wire, error).await;
            }
        }
        Ending::Interrupted(error) => {
            if drain(&host, &mut wire, &session, &mut outbox).await {
                farewell(&mut wire, Some(&error)).await;
            }
            drop(wire);
            drop(admitted);
            return Box::pin(hibernate(&host, session, outbox)).await;
        }
        Ending::Lost => {
            drop(wire);
            drop(admitted);
            return Box::pin(hibernate(&host, session, outbox)).await;
        }
        Ending::Resumed(give) => {
            let is_cut = !std::mem::take(&mut outbox.batch).bytes.is_empty();
            let left = hand_over(give, outbox);
            let replaced = StreamError::with_text("conflict", "resumed by another connection");
            // In the middle of a stanza nothing can be said any more; the other connection sends it again.
            if !is_cut {
                farewell(&mut wire, Some(&replaced)).await;
            }
            drop(wire);
            drop(admitted);
            if let Some(outbox) = left {
                Box::pin(hibernate(&host, session, outbox)).await;
            }
            return;
        }
    }
    Box::pin(end_session(&host, &session, &mut outbox)).await;
    Box::pin(linger(&host, wire)).await;
}

/// Reads and writes side by side until something ends it.
async fn run(host: &Arc<Host>, wire: &mut Wire, session: &Arc<Session>, outbox: &mut Outbox) -> Ending {
    let _counted = host.metrics.connected.of(wire.transport.counted_as()).enter();
    let (from_client, to_client) = tokio::io::split(&mut wire.transport);
    let progress = Progress::default();
    let reader = Reader { host, session, incoming: &mut wire.incoming, progress: &progress };
    let mut reading = std::pin::pin!(reader::read(reader, from_client));
    let ending = {
        let writing = writer::write(Writer { host, session, outbox }, to_client);
        tokio::select! {
            biased;
            command = session.control.take() => match command {
                Control::End(error) => Ending::Ended(error),
                Control::Resume(give) => Ending::Resumed(give),
            },
            ending = &mut reading => return ending,
            ending = writing => ending,
        }
    };
    // A stanza that is being handled is handled to its end, or it would be stored and never delivered. Its answers
    // find room, as the queue is emptied meanwhile.
    progress.stop();
    while progress.is_busy() {
        tokio::select! {
            biased;
            _ = &mut reading => break,
            Some(item) = outbox.queue.recv() => outbox.taken.push_back(item),
        }
    }
    ending
}

/// XEP-0198 §5: takes the client's count; what is written first tells it what was handled, and brings what it missed.
async fn pick_up(
    host: &Arc<Host>,
    session: &Arc<Session>,
    outbox: &mut Outbox,
    Resumption { h, success }: Resumption,
) -> Result<(), StreamError> {
    let (id, acked, again) = {
        let mut guard = session.sm.lock();
        let Some(sm) = guard.as_mut() else { return Err(StreamError::new("undefined-condition")) };
        let id = sm.id;
        let acked: Vec<_> = match sm.acknowledge(h) {
            Ok(acked) => acked.filter_map(|delivery| delivery.undelivered).collect(),
            Err(error) => return Err(reader::handled_count_too_high(error)),
        };
        let again: Vec<_> = sm.unacked().map(|delivery| delivery.xml.clone()).collect();
        (id, acked, again)
    };
    crate::mailbox::delivered(&host.db, &session.account, &acked).await;
    let previd = id.map(|id| id.to_string()).unwrap_or_default();
    let handled = session.handled.load(Ordering::Acquire).to_string();
    let resumed = Xml::new("resumed", ns::SM).attr("previd", previd).attr("h", handled);
    let resumed = match success {
        Some(success) => success.child(resumed),
        None => resumed,
    };
    outbox.move_to_another_connection();
    outbox.batch.bytes.extend_from_slice(resumed.to_string().as_bytes());
    again.iter().for_each(|stanza| outbox.batch.bytes.extend_from_slice(stanza));
    Ok(())
}

/// Writes what is queued already: the answers to what the client sent last. False when the client does not take it:
/// then nothing more can be said to it.
async fn drain(host: &Arc<Host>, wire: &mut Wire, session: &Arc<Session>, outbox: &mut Outbox) -> bool {
    let writer = Writer { host, session, outbox };
    tokio::time::timeout(FAREWELL, Box::pin(writer::drain(writer, &mut wire.transport))).await.unwrap_or(false)
}

async fn farewell(wire: &mut Wire, error: Option<&StreamError>) {
    let _ = tokio::time::timeout(FAREWELL, wire.close(error)).await;
}

/// Gives the client time to read what was said last, after everything else is in order.
async fn linger(host: &Host, mut wire: Box<Wire>) {
    if !host.stopping.is_cancelled() {
        let _ = tokio::time::timeout(FAREWELL, wire.read_away()).await;
    }
}

/// The time for log-in is over. The error is in a stream of our own when the client has opened none.
async fn send_away(host: &Host, wire: &mut Wire, error: &StreamError) {
    stream_header::greet(host, wire);
    farewell(wire, Some(error)).await;
}

async fn abandon(wire: &mut Wire, abandoned: Abandoned) {
    let error = match abandoned {
        Abandoned::Closed => None,
        Abandoned::Error(error) => Some(error),
        Abandoned::Wire(WireError::Lost(_)) => return,
        Abandoned::Wire(error) => error.stream_error(),
    };
    tracing::debug!(?error, "no session");
    farewell(wire, error.as_ref()).await;
}

/// Gives the session away; it comes back when the resuming connection died in the same moment.
fn hand_over(give: oneshot::Sender<Handover>, outbox: Outbox) -> Option<Outbox> {
    give.send(Handover { outbox }).err().map(|handover| handover.outbox)
}

/// A session without a socket: it takes what comes for its client until that resumes it, or does not in time.
async fn hibernate(host: &Arc<Host>, session: Arc<Session>, mut outbox: Outbox) {
    let resume_secs = session.sm.lock().as_ref().filter(|sm| sm.id.is_some()).map(|sm| sm.resume_secs);
    let Some(resume_secs) = resume_secs else {
        return Box::pin(end_session(host, &session, &mut outbox)).await;
    };
    tracing::debug!(resume_secs, "waiting for the client to resume");
    let _counted = host.metrics.hibernating.enter();
    // What the socket did not take is unacknowledged, and sent again after the resumption.
    outbox.batch = Batch::default();
    let timeout = tokio::time::sleep(Duration::from_secs(resume_secs));
    tokio::pin!(timeout);
    // What was held back for an inactive client is older than what comes now.
    let held = outbox.held.take().into_iter().flatten().map(Outbound::Stanza);
    for item in held.chain(std::mem::take(&mut outbox.taken)) {
        writer::keep_for_later(&host.config.limits, &session, &mut outbox, item);
    }
    loop {
        tokio::select! {
            biased;
            command = session.control.take() => match command {
                Control::Resume(give) => match hand_over(give, outbox) {
                    None => return,
                    Some(left) => outbox = left,
                },
                Control::End(_) => break,
            },
            () = &mut timeout => break,
            item = outbox.queue.recv() => {
                let Some(item) = item else { break };
                if !writer::keep_for_later(&host.config.limits, &session, &mut outbox, item) {
                    tracing::info!(resource = %session.jid, "too much waits for a client that is away: its session ends");
                    break;
                }
            }
        }
    }
    Box::pin(end_session(host, &session, &mut outbox)).await;
}

/// The session is over: its contacts see it go, and what its client never got goes elsewhere.
async fn end_session(host: &Arc<Host>, session: &Arc<Session>, outbox: &mut Outbox) {
    host.sessions.remove(session);
    presence::session_gone(host, session).await;
    outbox.queue.close();
    let mut missed: Vec<_> = session.sm.lock().take().map(|sm| sm.unacked().cloned().collect()).unwrap_or_default();
    missed.extend(outbox.held.take().into_iter().flatten());
    while let Some(item) = outbox.taken.pop_front().or_else(|| outbox.queue.try_recv().ok()) {
        match item {
            Outbound::Stanza(delivery) => missed.push(delivery),
            Outbound::EnableSm(enabling) => host.sessions.forget_resumable(enabling.0.id),
            _ => {}
        }
    }
    if missed.iter().any(|delivery| was_for_it_alone(session, delivery)) {
        redeliver(host, session);
    }
    // A message that waits in the mailbox is delivered at the next log-in.
    for request in missed.into_iter().filter(|delivery| delivery.undelivered.is_none()) {
        if let Some(request) = Stanza::from_text(request.xml.clone()) {
            refuse_request(host, request).await;
        }
    }
}

/// Whether it was addressed to the session's full JID and still waits: what was for the bare JID, the others have had.
/// A carbon is addressed to its device alone, the message in it to another one.
fn was_for_it_alone(session: &Session, delivery: &Delivery) -> bool {
    delivery.undelivered.is_some()
        && Stanza::from_text(delivery.xml.clone())
            .is_some_and(|message| message.to == Some(session.full_jid()) && !message.has_ns(ns::CARBONS))
}

/// RFC 6121 §8.5.3.2.1: a chat message to a resource that is gone is treated as if sent to the bare JID. Whoever is here
/// looks into the mailbox, which knows who has had a carbon of it.
fn redeliver(host: &Host, gone: &Session) {
    for device in host.sessions.of(gone.account.localpart()) {
        if device.priority().is_some_and(|priority| priority >= 0) {
            device.push(Outbound::FlushOffline(host.ids.next(host.clock.now_ms())));
        }
    }
}

/// RFC 6121 §8.5.3.2.3: a request that no resource will answer.
async fn refuse_request(host: &Arc<Host>, request: Stanza) {
    let (Kind::Iq(IqType::Get | IqType::Set), Some(from)) = (request.kind, &request.from) else { return };
    if from.resource().is_none() && from.node().is_some() {
        return;
    }
    let Some(xml) = request.error_xml(&StanzaError::new(Condition::ServiceUnavailable)) else { return };
    if let Some(error) = Stanza::from_text(xml) {
        let _ = routing::route(host, &Origin::Server, error).await;
    }
}
