//! The book of a BOSH session (XEP-0124): which requests came, which wait for an answer, and what was answered. Time is
//! passed in; who waits is told through the channel that it left.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::{self, Condition};
use super::request::Request;

/// What client and server agreed on at the beginning.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) sid: String,
    pub(super) version: (u32, u32),
    /// How long a request may wait.
    pub(super) wait_secs: u64,
    /// How many requests may wait.
    pub(super) hold: usize,
    /// How many may be under way.
    pub(super) requests: usize,
    /// How long the client may have none under way.
    pub(super) inactivity_secs: u64,
    /// How often a client may ask that lets none wait.
    pub(super) polling_secs: u64,
    pub(super) pause_secs_max: u64,
    pub(super) acknowledges: bool,
}

/// Where an answer goes.
pub(super) type Waiter = oneshot::Sender<String>;

/// The state of a session.
pub(super) struct Ledger {
    pub(super) terms: Terms,
    /// Of the stream, from the client, to be read.
    pub(super) inbound: BytesMut,
    /// From the server, for the next answer.
    outbound: Vec<Bytes>,
    /// The number of the next request in order.
    next: u64,
    /// Came before their turn.
    early: BTreeMap<u64, (Request, Waiter)>,
    /// In order, and not answered.
    open: VecDeque<(u64, Waiter)>,
    /// The last answers, for requests that are repeated (XEP-0124 §14.3).
    answered: VecDeque<(u64, String)>,
    /// The key that the next one must hash to (XEP-0124 §15).
    key: Option<String>,
    /// The last request was empty, came then and was answered with nothing.
    empty_at: Option<Instant>,
    /// Since when nobody waits for an answer, and how long that may last.
    quiet: Option<(Instant, Duration)>,
    /// The server's stream header: domain and id.
    pub(super) greeting: (String, String),
    /// The first answer was given.
    is_created: bool,
    over: Option<Over>,
}

/// A session that has ended.
struct Over {
    condition: Option<Condition>,
    /// The client was told.
    is_told: bool,
}

impl Ledger {
    /// A session whose first request is to be [`Ledger::offer`]ed next.
    pub(super) fn new(terms: Terms, first: &Request) -> Self {
        Self {
            terms,
            inbound: BytesMut::new(),
            outbound: Vec::new(),
            next: first.rid,
            early: BTreeMap::new(),
            open: VecDeque::new(),
            answered: VecDeque::new(),
            key: None,
            empty_at: None,
            quiet: None,
            greeting: (String::new(), String::new()),
            is_created: false,
            over: None,
        }
    }

    /// Takes a request, now or when its turn comes.
    pub(super) fn offer(&mut self, request: Request, waiter: Waiter, now: Instant) {
        let rid = request.rid;
        if let Some(over) = self.over.as_ref().filter(|over| over.is_told) {
            let _ = waiter.send(answer::terminated(&[], over.condition).to_string());
        } else if self.over.is_some() {
            self.open.push_back((rid, waiter));
        } else if rid < self.next {
            self.repeat(rid, waiter);
        } else if rid - self.next > self.terms.requests as u64 {
            self.refuse(Condition::ItemNotFound, rid, waiter);
        } else {
            // One that comes again takes the place of its elder, which is answered with nothing.
            self.early.insert(rid, (request, waiter));
            while let Some((request, waiter)) = self.early.remove(&self.next) {
                self.take(request, waiter, now);
            }
        }
        self.settle(now);
    }

    fn repeat(&mut self, rid: u64, waiter: Waiter) {
        if let Some((_, body)) = self.answered.iter().find(|(answered, _)| *answered == rid) {
            let _ = waiter.send(body.clone());
        } else if let Some((_, waiting)) = self.open.iter_mut().find(|(open, _)| *open == rid) {
            // Its connection broke, most likely.
            *waiting = waiter;
        } else {
            // The same for too small a number as for too large a one: nobody shall learn which would do.
            self.refuse(Condition::ItemNotFound, rid, waiter);
        }
    }

    fn refuse(&mut self, condition: Condition, rid: u64, waiter: Waiter) {
        self.end(Some(condition));
        // Whoever broke the rules hears of it first.
        self.open.push_front((rid, waiter));
    }

    fn take(&mut self, request: Request, waiter: Waiter, now: Instant) {
        if self.over.is_some() {
            self.open.push_back((request.rid, waiter));
            return;
        }
        if !self.fits_key(&request) {
            return self.refuse(Condition::ItemNotFound, request.rid, waiter);
        }
        let polls = request.is_empty && request.pause.is_none() && self.terms.hold == 0;
        let soon = Duration::from_secs(self.terms.polling_secs);
        if polls && self.empty_at.is_some_and(|before| now.duration_since(before) < soon) {
            return self.refuse(Condition::PolicyViolation, request.rid, waiter);
        }
        self.empty_at = polls.then_some(now);
        self.next += 1;
        self.quiet = None;
        self.inbound.extend_from_slice(&request.payload);
        self.open.push_back((request.rid, waiter));
        if let Some(secs) = request.pause {
            // XEP-0124 §10: all are answered at once, with nothing in them.
            while let Some((rid, waiter)) = self.open.pop_front() {
                self.answer(rid, waiter, &[]);
            }
            self.quiet = Some((now, Duration::from_secs(secs.min(self.terms.pause_secs_max))));
        }
    }

    /// XEP-0124 §15.5
    fn fits_key(&mut self, request: &Request) -> bool {
        let fits = match (&self.key, &request.key) {
            (None, _) => true,
            (Some(wanted), Some(key)) => sha1_hex(key).eq_ignore_ascii_case(wanted),
            (Some(_), None) => false,
        };
        if self.key.is_some() || !self.is_created {
            self.key = request.new_key.clone().or_else(|| request.key.clone());
        }
        fits
    }

    /// Gives an element to the client.
    pub(super) fn push(&mut self, element: Bytes) {
        self.outbound.push(element);
    }

    /// Ends the session.
    pub(super) fn end(&mut self, condition: Option<Condition>) {
        self.over.get_or_insert(Over { condition, is_told: false });
        let early = std::mem::take(&mut self.early);
        self.open.extend(early.into_iter().map(|(rid, (_, waiter))| (rid, waiter)));
    }

    /// Whether nothing more comes from the client.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether the client was told all there is to tell.
    pub(super) fn is_settled(&self) -> bool {
        self.outbound.is_empty() && self.over.as_ref().is_none_or(|over| over.is_told)
    }

    /// The time for an answer is over.
    pub(super) fn expire(&mut self, rid: u64, now: Instant) {
        if self.early.contains_key(&rid) {
            // What should have come before it never came.
            self.end(Some(Condition::ItemNotFound));
        }
        while self.over.is_none() && self.open.front().is_some_and(|(open, _)| *open <= rid) {
            let Some((rid, waiter)) = self.open.pop_front() else { break };
            self.answer(rid, waiter, &[]);
        }
        self.settle(now);
    }

    /// Answers what is to be answered now, and says whether anything was. To be called after any change.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let waiting = self.open.len();
        while let Some((_, waiter)) = self.open.front() {
            // Something is given to a client that is there to take it only.
            let has_news = !self.outbound.is_empty() && !waiter.is_closed();
            // The first request waits for what the stream says first.
            let is_one_too_many = self.is_created && self.open.len() > self.terms.hold;
            if !has_news && !is_one_too_many && self.over.is_none() {
                break;
            }
            let Some((rid, waiter)) = self.open.pop_front() else { break };
            let elements = if has_news { std::mem::take(&mut self.outbound) } else { Vec::new() };
            self.answer(rid, waiter, &elements);
        }
        let is_quiet = self.open.iter().all(|(_, waiter)| waiter.is_closed());
        match (is_quiet, &self.quiet) {
            (false, _) => self.quiet = None,
            (true, None) => self.quiet = Some((now, Duration::from_secs(self.terms.inactivity_secs))),
            (true, Some(_)) => {}
        }
        self.open.len() < waiting
    }

    /// When the client has been away for too long; None while it waits for an answer.
    pub(super) fn away_at(&self) -> Option<Instant> {
        self.quiet.map(|(since, at_most)| since + at_most)
    }

    fn answer(&mut self, rid: u64, waiter: Waiter, elements: &[Bytes]) {
        let acknowledged = Some(self.next - 1).filter(|last| self.terms.acknowledges && *last != rid);
        let is_first = !std::mem::replace(&mut self.is_created, true);
        let body = match &mut self.over {
            Some(over) if !over.is_told && !waiter.is_closed() => {
                over.is_told = true;
                answer::terminated(elements, over.condition)
            }
            _ if is_first => answer::created(elements, &self.terms, rid, (&self.greeting.0, &self.greeting.1)),
            _ => answer::body(elements, acknowledged),
        };
        let body = body.to_string();
        if !elements.is_empty() {
            self.empty_at = None;
        }
        self.answered.push_back((rid, body.clone()));
        while self.answered.len() > self.terms.requests + 1 {
            self.answered.pop_front();
        }
        // A client whose connection broke asks for it again.
        let _ = waiter.send(body);
    }
}

fn sha1_hex(text: &str) -> String {
    // XEP-0124 §15.3 has this hash.
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
