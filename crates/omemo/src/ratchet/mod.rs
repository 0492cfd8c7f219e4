//! The Double Ratchet (the Signal specification of that name, §3; XEP-0384 "Double Ratchet"): which key encrypts which
//! message. It knows neither identities nor ciphers.
//!
//! A new ratchet key of our own is made when something is sent, not when something is received ("Deferring new ratchet
//! key generation"): receiving needs no randomness.

mod chain;

use std::collections::VecDeque;

use rand_core::CryptoRng;

use crate::curve::{KeyPair, PublicKey};
use crate::error::Error;
use crate::kdf;
use crate::limits::{PAST_CHAINS_MAX, SKIPPED_PER_SESSION_MAX};
use crate::protocol::Profile;
use crate::secret::Secret;
use crate::state::{MALFORMED, Reader, Writer};
use crate::wire::Header;
pub(crate) use chain::Received;
use chain::ReceivingChain;

/// The chain that our messages are numbered in.
#[derive(Clone, Debug)]
struct SendingChain {
    key: Secret,
    n: u32,
}

/// State of one side.
#[derive(Clone, Debug)]
pub(crate) struct Ratchet {
    root: Secret,
    /// Our ratchet key, until the other side's answer to it has come.
    own: Option<KeyPair>,
    /// The other side's newest ratchet key.
    remote: Option<PublicKey>,
    sending: Option<SendingChain>,
    /// Length of the previous sending chain (PN).
    sent_before: u32,
    /// The other side's chains, the oldest first; only the last one can still grow.
    chains: VecDeque<ReceivingChain>,
}

impl Ratchet {
    /// For who starts the session; the responder's signed prekey is its first ratchet key.
    pub(crate) fn initiator<R: CryptoRng + ?Sized>(
        profile: &Profile,
        secret: &Secret,
        signed_prekey: PublicKey,
        rng: &mut R,
    ) -> Result<Self, Error> {
        let own = KeyPair::random(rng);
        let (root, key) = kdf::root_step(profile, secret, &own.agree(&signed_prekey)?);
        Ok(Self {
            root,
            own: Some(own),
            remote: Some(signed_prekey),
            sending: Some(SendingChain { key, n: 0 }),
            sent_before: 0,
            chains: VecDeque::new(),
        })
    }

    /// For who is written to.
    pub(crate) fn responder(secret: Secret, signed_prekey: KeyPair) -> Self {
        Self {
            root: secret,
            own: Some(signed_prekey),
            remote: None,
            sending: None,
            sent_before: 0,
            chains: VecDeque::new(),
        }
    }

    /// Header and key of the next message.
    pub(crate) fn send<R: CryptoRng + ?Sized>(
        &mut self,
        profile: &Profile,
        rng: &mut R,
    ) -> Result<(Header, Secret), Error> {
        if self.sending.is_none() {
            let remote = self.remote.ok_or(Error::NoSession)?;
            let own = KeyPair::random(rng);
            let (root, key) = kdf::root_step(profile, &self.root, &own.agree(&remote)?);
            (self.root, self.own, self.sending) = (root, Some(own), Some(SendingChain { key, n: 0 }));
        }
        let (Some(own), Some(chain)) = (&self.own, &mut self.sending) else { return Err(Error::NoSession) };
        let header = Header { dh: own.public(), n: chain.n, pn: self.sent_before };
        chain.n = chain.n.checked_add(1).ok_or(Error::Exhausted)?;
        let (key, next) = kdf::chain_step(&chain.key);
        chain.key = next;
        Ok((header, key))
    }

    /// The key of a message with this header. Changes the state though nothing is authenticated yet: the caller works
    /// on a copy and keeps it only if the message turns out to be authentic.
    pub(crate) fn receive(&mut self, profile: &Profile, header: &Header) -> Result<Received, Error> {
        if let Some(chain) = self.chains.iter_mut().find(|chain| *chain.remote() == header.dh) {
            return chain.key_of(header.n);
        }
        // Only an answer to our newest key brings a new one.
        let own = self.own.take().ok_or(Error::Unauthentic)?;
        if let Some(current) = self.chains.back_mut() {
            current.end_at(header.pn.saturating_add(profile.previous_counter_slack))?;
        }
        let (root, key) = kdf::root_step(profile, &self.root, &own.agree(&header.dh)?);
        self.root = root;
        self.remote = Some(header.dh);
        self.sent_before = self.sending.take().map_or(0, |chain| chain.n);
        let mut chain = ReceivingChain::new(header.dh, key);
        let received = chain.key_of(header.n);
        self.chains.push_back(chain);
        received
    }

    /// Drops what is beyond the limits, the oldest first.
    pub(crate) fn trim(&mut self) {
        while self.chains.len() > PAST_CHAINS_MAX + 1 {
            self.chains.pop_front();
        }
        let excess = self.skipped().saturating_sub(SKIPPED_PER_SESSION_MAX);
        self.forget_skipped(excess);
    }

    /// How many skipped keys are kept.
    pub(crate) fn skipped(&self) -> usize {
        self.chains.iter().map(ReceivingChain::skipped).sum()
    }

    /// Drops the oldest skipped keys.
    pub(crate) fn forget_skipped(&mut self, mut count: usize) {
        for chain in &mut self.chains {
            count -= chain.forget_skipped(count);
        }
    }

    /// Whether the ratchet key is one of this session's.
    pub(crate) fn knows(&self, remote: &PublicKey) -> bool {
        self.chains.iter().any(|chain| chain.remote() == remote)
    }

    /// Most bytes that [`Ratchet::write`] writes.
    pub(crate) fn written_bytes(&self) -> usize {
        256 + self.chains.iter().map(ReceivingChain::written_bytes).sum::<usize>()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.secret(&self.root);
        out.option(self.own.as_ref(), |out, pair| out.secret(pair.private()));
        out.option(self.remote.as_ref(), Writer::public);
        out.option(self.sending.as_ref(), |out, chain| {
            out.secret(&chain.key);
            out.number(chain.n);
        });
        out.number(self.sent_before);
        out.count(self.chains.len());
        self.chains.iter().for_each(|chain| chain.write(out));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let ratchet = Self {
            root: from.secret()?,
            own: from.option(Reader::pair)?,
            remote: from.option(Reader::public)?,
            sending: from.option(|from| Ok(SendingChain { key: from.secret()?, n: from.number()? }))?,
            sent_before: from.number()?,
            chains: from.list(PAST_CHAINS_MAX + 1, ReceivingChain::read)?,
        };
        if ratchet.skipped() > SKIPPED_PER_SESSION_MAX { Err(MALFORMED) } else { Ok(ratchet) }
    }
}
