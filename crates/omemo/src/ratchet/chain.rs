//! A chain of the other side's messages, and the keys of those that were skipped (Double Ratchet §2.6, "Out-of-order
//! messages").

use std::collections::VecDeque;

use crate::curve::PublicKey;
use crate::error::Error;
use crate::kdf;
use crate::limits::{HEARTBEAT_COUNTER, SKIPPED_PER_MESSAGE_MAX, SKIPPED_PER_SESSION_MAX};
use crate::secret::Secret;
use crate::state::{Reader, Writer};

/// The key of a message that was received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) key: Secret,
    /// Whether the chain had gone past it.
    pub(crate) late: bool,
    /// Whether the chain has become so long that we should answer.
    pub(crate) heartbeat_due: bool,
}

/// The messages that came with one ratchet key.
#[derive(Clone, Debug)]
pub(super) struct ReceivingChain {
    remote: PublicKey,
    /// Key of message `n`; none once the chain has ended.
    key: Option<Secret>,
    n: u32,
    heartbeat_asked: bool,
    /// Keys of messages before `n` that have not come, the oldest first.
    skipped: VecDeque<(u32, Secret)>,
}

impl ReceivingChain {
    pub(super) fn new(remote: PublicKey, key: Secret) -> Self {
        Self { remote, key: Some(key), n: 0, heartbeat_asked: false, skipped: VecDeque::new() }
    }

    pub(super) fn remote(&self) -> &PublicKey {
        &self.remote
    }

    /// Takes the key of message `n` out; each can be had once.
    pub(super) fn key_of(&mut self, n: u32) -> Result<Received, Error> {
        if n < self.n {
            let at = self.skipped.iter().position(|(number, _)| *number == n);
            let (_, key) = at.and_then(|at| self.skipped.remove(at)).ok_or(Error::Duplicate)?;
            return Ok(Received { key, late: true, heartbeat_due: false });
        }
        self.skip_to(n)?;
        let key = self.step()?;
        let heartbeat_due = n >= HEARTBEAT_COUNTER && !self.heartbeat_asked;
        self.heartbeat_asked |= heartbeat_due;
        Ok(Received { key, late: false, heartbeat_due })
    }

    /// The chain has `len` messages: keeps the keys of those that have not come, and drops the chain's own.
    pub(super) fn end_at(&mut self, len: u32) -> Result<(), Error> {
        if len > self.n {
            self.skip_to(len)?;
        }
        self.key = None;
        Ok(())
    }

    pub(super) fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// Drops up to `count` of the oldest skipped keys; how many it were.
    pub(super) fn forget_skipped(&mut self, count: usize) -> usize {
        self.skipped.drain(..count.min(self.skipped.len())).count()
    }

    fn skip_to(&mut self, n: u32) -> Result<(), Error> {
        if self.key.is_none() {
            return Err(Error::TooOld);
        }
        if n - self.n > SKIPPED_PER_MESSAGE_MAX {
            return Err(Error::TooFarAhead);
        }
        while self.n < n {
            let number = self.n;
            let key = self.step()?;
            self.skipped.push_back((number, key));
        }
        Ok(())
    }

    /// The key of message `n`; the chain goes on to the next.
    fn step(&mut self) -> Result<Secret, Error> {
        let (key, next) = kdf::chain_step(self.key.as_ref().ok_or(Error::TooOld)?);
        self.n = self.n.checked_add(1).ok_or(Error::Exhausted)?;
        self.key = Some(next);
        Ok(key)
    }

    pub(super) fn written_bytes(&self) -> usize {
        80 + self.skipped.len() * 36
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.public(&self.remote);
        out.option(self.key.as_ref(), Writer::secret);
        out.number(self.n);
        out.flag(self.heartbeat_asked);
        out.count(self.skipped.len());
        for (n, key) in &self.skipped {
            out.number(*n);
            out.secret(key);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            remote: from.public()?,
            key: from.option(Reader::secret)?,
            n: from.number()?,
            heartbeat_asked: from.flag()?,
            skipped: from.list(SKIPPED_PER_SESSION_MAX, |from| Ok((from.number()?, from.secret()?)))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ReceivingChain {
        ReceivingChain::new(PublicKey::new([1; 32]), Secret::new([2; 32]))
    }

    #[test]
    fn each_key_can_be_had_once_in_any_order() {
        let mut ordered = chain();
        let expected: Vec<[u8; 32]> = (0..5).map(|n| *ordered.key_of(n).unwrap().key.as_bytes()).collect();
        let mut shuffled = chain();
        for n in [3, 0, 4, 2, 1] {
            let received = shuffled.key_of(n).unwrap();
            assert_eq!(*received.key.as_bytes(), expected[n as usize]);
            assert_eq!(received.late, n < 3);
            assert_eq!(shuffled.key_of(n).unwrap_err(), Error::Duplicate);
        }
        assert_eq!(shuffled.skipped(), 0);
    }

    #[test]
    fn a_message_may_skip_as_many_as_the_limit_and_no_more() {
        assert_eq!(chain().key_of(SKIPPED_PER_MESSAGE_MAX + 1).unwrap_err(), Error::TooFarAhead);
        let mut chain = chain();
        chain.key_of(SKIPPED_PER_MESSAGE_MAX).unwrap();
        assert_eq!(chain.skipped(), 1000);
        assert_eq!(chain.key_of(u32::MAX).unwrap_err(), Error::TooFarAhead);
    }

    #[test]
    fn an_ended_chain_gives_what_it_skipped_and_nothing_beyond() {
        let mut chain = chain();
        chain.key_of(0).unwrap();
        chain.end_at(3).unwrap();
        assert!(chain.key_of(2).unwrap().late);
        assert_eq!(chain.key_of(3).unwrap_err(), Error::TooOld);
        assert!(chain.key_of(1).unwrap().late);
    }

    #[test]
    fn a_long_chain_asks_for_a_heartbeat_once() {
        let mut chain = chain();
        let asked: Vec<u32> = (0..120).filter(|n| chain.key_of(*n).unwrap().heartbeat_due).collect();
        assert_eq!(asked, [HEARTBEAT_COUNTER]);
    }
}
