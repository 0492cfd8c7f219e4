//! A BOSH session between the requests of its client and the stream that they carry.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::answer::Condition;
use super::ledger::{Ledger, Waiter};
use super::request::Request;
use crate::c2s::framed::Piece;

/// The sessions of this process, by their ids.
#[derive(Default)]
pub struct Bosh {
    sessions: Mutex<HashMap<String, Arc<Link>>>,
}

impl Bosh {
    pub(super) fn insert(&self, link: &Arc<Link>) {
        self.sessions.lock().insert(link.sid.clone(), link.clone());
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<Link>> {
        self.sessions.lock().get(sid).cloned()
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.sessions.lock().len()
    }
}

/// What the requests of a session and its stream share.
pub(super) struct Link {
    sid: String,
    state: Mutex<State>,
    /// Something of what the client sent was read.
    was_read: Notify,
}

struct State {
    ledger: Ledger,
    is_logged_in: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    /// Answers what can be answered. Then nobody may be waiting any more, which the reader is to watch.
    fn answer(&mut self) {
        if self.ledger.settle(Instant::now())
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// After what came from a client: answers what can be answered, and wakes who may go on.
    fn settle(&mut self) {
        self.answer();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        if self.ledger.is_settled()
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }
}

impl Link {
    pub(super) fn new(ledger: Ledger) -> Arc<Self> {
        let sid = ledger.terms.sid.clone();
        let state = State { ledger, is_logged_in: false, reader: None, writer: None };
        Arc::new(Self { sid, state: Mutex::new(state), was_read: Notify::new() })
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.state.lock().is_logged_in
    }

    /// How long its requests may wait, in seconds.
    pub(super) fn wait_secs(&self) -> u64 {
        self.state.lock().ledger.terms.wait_secs
    }

    /// Waits until the stream has read enough of what came before that `bytes` more are no burden.
    pub(super) async fn has_room(&self, bytes_max: usize) {
        loop {
            let was_read = self.was_read.notified();
            {
                let state = self.state.lock();
                if state.ledger.inbound.len() < bytes_max || state.ledger.is_over() {
                    return;
                }
            }
            was_read.await;
        }
    }

    pub(super) fn offer(&self, request: Request, waiter: Waiter) {
        let mut state = self.state.lock();
        state.ledger.offer(request, waiter, Instant::now());
        state.settle();
    }

    /// The time for an answer to a request is over.
    pub(super) fn expire(&self, rid: u64) {
        let mut state = self.state.lock();
        state.ledger.expire(rid, Instant::now());
        state.settle();
    }

    /// A client that waited for an answer may have gone.
    pub(super) fn look_again(&self) {
        self.state.lock().settle();
    }
}

/// The end of a session that the stream holds.
pub struct Carrier {
    link: Arc<Link>,
    all: Arc<Bosh>,
    /// Ends the session of a client that is away for too long.
    away: Pin<Box<Sleep>>,
    has_failed: bool,
}

impl Carrier {
    pub(super) fn new(link: Arc<Link>, all: Arc<Bosh>) -> Self {
        Self { link, all, away: Box::pin(sleep_until(Instant::now())), has_failed: false }
    }

    /// The client has logged in.
    pub fn log_in(&mut self) {
        self.link.state.lock().is_logged_in = true;
    }

    /// Appends what the client said to `into`; false when it has left.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        let mut state = self.link.state.lock();
        if !state.ledger.inbound.is_empty() {
            into.unsplit(std::mem::take(&mut state.ledger.inbound));
            self.link.was_read.notify_waiters();
            return Poll::Ready(Ok(true));
        }
        if state.ledger.is_over() {
            return Poll::Ready(Ok(false));
        }
        state.reader = Some(cx.waker().clone());
        if let Some(at) = state.ledger.away_at() {
            if self.away.deadline() != at {
                self.away.as_mut().reset(at);
            }
            if self.away.as_mut().poll(cx).is_ready() {
                state.ledger.end(None);
                state.settle();
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Pending
    }

    /// Notes what the server says; it goes out with the next [`Carrier::poll_flush`], all in one answer.
    pub fn send(&mut self, piece: Piece) {
        let ledger = &mut self.link.state.lock().ledger;
        match piece {
            Piece::Open(greeting) => ledger.greeting = (greeting.from, greeting.id),
            Piece::Element(element) => {
                self.has_failed |= element.starts_with(b"<stream:error");
                ledger.push(element);
            }
            Piece::Close => ledger.end(self.has_failed.then_some(Condition::RemoteStreamError)),
        }
    }

    /// Ready once the client has been given everything.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.state.lock();
        state.answer();
        if state.ledger.is_settled() {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.all.sessions.lock().remove(&self.link.sid);
        let mut state = self.link.state.lock();
        state.ledger.end(None);
        state.settle();
        self.link.was_read.notify_waiters();
    }
}
