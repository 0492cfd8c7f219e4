//! A device of somebody, and all sessions with it. Several exist when both sides started one at the same time, or when
//! one was replaced; the one that was last heard on is written on (XEP-0384 "Double Ratchet", "Business Rules").

use std::collections::VecDeque;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::bundle::Bundle;
use crate::device::Device;
use crate::error::Error;
use crate::identity::IdentityKey;
use crate::limits::{SESSIONS_PER_PEER_MAX, SKIPPED_PER_PEER_MAX};
use crate::payload::PayloadKey;
use crate::protocol::Protocol;
use crate::session::{Opened, Session};
use crate::state::{Kind, MALFORMED, Reader, Writer};
use crate::wire::{KeyExchange, Message};

/// The sessions with one device, in one namespace. Its identity key is fixed by the first session: a device that comes
/// with another is another [`Peer`].
#[derive(Clone, Debug)]
pub struct Peer {
    protocol: Protocol,
    identity: Option<IdentityKey>,
    /// The one to write on comes first.
    sessions: VecDeque<Session>,
}

/// Content of a `<key/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedKey {
    /// The bytes, before base64.
    pub bytes: Vec<u8>,
    /// Attribute `kex` (`prekey` in the older namespace): whether a session starts with it.
    pub key_exchange: bool,
}

/// What a `<key/>` held.
#[derive(Debug)]
pub struct Decrypted {
    /// Opens the payload.
    pub key: PayloadKey,
    /// Who sent it. Whether that key is trusted is the client's to know.
    pub identity: IdentityKey,
    /// A new session began, and one of our prekeys was used up: publish the bundle.
    pub session_started: bool,
    /// Send an empty message back, whoever sent this (XEP-0384 "Business Rules").
    pub answer_due: Option<Answer>,
}

/// Why an empty message should be sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To say that the session is there, so that the other side can leave the key exchange out.
    SessionStarted,
    /// To move the ratchet on: the other side has written much without an answer.
    Heartbeat,
}

impl Peer {
    /// A device with which there is no session.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, identity: None, sessions: VecDeque::new() }
    }

    /// The namespace.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The device's identity key, once there was a session.
    pub fn identity(&self) -> Option<&IdentityKey> {
        self.identity.as_ref()
    }

    /// Whether something can be sent without fetching a bundle first.
    pub fn has_session(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Whether the device has never answered on the session that is written on.
    pub fn is_unanswered(&self) -> bool {
        self.sessions.front().is_some_and(Session::is_unanswered)
    }

    /// Starts a session, or replaces a broken one: what is sent from now on goes over it. Older sessions stay for what
    /// is under way.
    ///
    /// # Errors
    /// [`Error::IdentityChanged`] when the bundle is of another identity than the sessions before,
    /// [`Error::WeakKey`], [`Error::WrongProtocol`].
    pub fn start<R: CryptoRng + ?Sized>(&mut self, device: &Device, bundle: &Bundle, rng: &mut R) -> Result<(), Error> {
        if self.protocol != device.protocol() || self.protocol != bundle.protocol() {
            return Err(Error::WrongProtocol);
        }
        self.expect_identity(bundle.identity())?;
        let session = Session::initiate(device, bundle, rng)?;
        self.identity = Some(*bundle.identity());
        self.put_first(session);
        Ok(())
    }

    /// Encrypts a payload's key for this device.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::WrongProtocol`], [`Error::Exhausted`].
    pub fn encrypt<R: CryptoRng + ?Sized>(
        &mut self,
        device: &Device,
        key: &PayloadKey,
        rng: &mut R,
    ) -> Result<EncryptedKey, Error> {
        if self.protocol != device.protocol() || self.protocol != key.protocol() {
            return Err(Error::WrongProtocol);
        }
        let current = self.sessions.front_mut().ok_or(Error::NoSession)?;
        let mut session = current.clone();
        let (bytes, key_exchange) = session.encrypt(device, key.as_bytes(), rng)?;
        *current = session;
        Ok(EncryptedKey { bytes, key_exchange })
    }

    /// Decrypts the content of a `<key/>` that is for us; `key_exchange` is what its attribute says. A prekey of
    /// `device` that starts a session is used up.
    ///
    /// # Errors
    /// Any; [`Error::remedy`] says what to do. Neither `self` nor `device` has changed then.
    pub fn decrypt(&mut self, device: &mut Device, key_exchange: bool, bytes: &[u8]) -> Result<Decrypted, Error> {
        if self.protocol != device.protocol() {
            return Err(Error::WrongProtocol);
        }
        if !key_exchange {
            return self.decrypt_message(device, &Message::parse(self.protocol, bytes)?);
        }
        let exchange = KeyExchange::parse(self.protocol, bytes)?;
        let message = Message::parse(self.protocol, exchange.message)?;
        self.expect_identity(&exchange.identity)?;
        // XEP-0384: of an exchange that is known, only the message counts.
        match self.sessions.iter().position(|session| session.was_started_by(&exchange)) {
            Some(at) => self.decrypt_on(at, device, &message),
            None => self.decrypt_first(device, &exchange, &message),
        }
    }

    fn decrypt_first(
        &mut self,
        device: &mut Device,
        exchange: &KeyExchange<'_>,
        message: &Message<'_>,
    ) -> Result<Decrypted, Error> {
        let mut session = Session::respond(device, exchange)?;
        let Opened { plaintext, .. } = session.decrypt(device, message)?;
        let key = PayloadKey::from_plaintext(self.protocol, plaintext)?;
        device.use_prekey(exchange.prekey_id);
        self.identity = Some(exchange.identity);
        self.put_first(session);
        Ok(Decrypted {
            key,
            identity: exchange.identity,
            session_started: true,
            answer_due: Some(Answer::SessionStarted),
        })
    }

    /// A message says nowhere which session it is of. One that knows its ratchet key is the only one that can be.
    fn decrypt_message(&mut self, device: &Device, message: &Message<'_>) -> Result<Decrypted, Error> {
        let known = self.sessions.iter().position(|session| session.knows(&message.header.dh));
        let candidates = known.map_or(0..self.sessions.len(), |at| at..at + 1);
        let mut failure = if candidates.is_empty() { Error::NoSession } else { Error::Unauthentic };
        for at in candidates {
            match self.decrypt_on(at, device, message) {
                Ok(decrypted) => return Ok(decrypted),
                Err(Error::Unauthentic) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn decrypt_on(&mut self, at: usize, device: &Device, message: &Message<'_>) -> Result<Decrypted, Error> {
        let mut session = self.sessions.get(at).ok_or(Error::NoSession)?.clone();
        let identity = self.identity.ok_or(Error::NoSession)?;
        let Opened { plaintext, late, heartbeat_due } = session.decrypt(device, message)?;
        let key = PayloadKey::from_plaintext(self.protocol, plaintext)?;
        match self.sessions.get_mut(at) {
            // What comes late says nothing about which session the other side writes on now.
            Some(place) if late => *place = session,
            _ => {
                self.sessions.remove(at);
                self.put_first(session);
            }
        }
        let answer_due = heartbeat_due.then_some(Answer::Heartbeat);
        Ok(Decrypted { key, identity, session_started: false, answer_due })
    }

    fn expect_identity(&self, identity: &IdentityKey) -> Result<(), Error> {
        match &self.identity {
            Some(known) if known != identity => Err(Error::IdentityChanged),
            _ => Ok(()),
        }
    }

    fn put_first(&mut self, session: Session) {
        self.sessions.push_front(session);
        self.sessions.truncate(SESSIONS_PER_PEER_MAX);
        let mut excess = self.skipped().saturating_sub(SKIPPED_PER_PEER_MAX);
        for session in self.sessions.iter_mut().rev() {
            let forgotten = excess.min(session.skipped());
            session.forget_skipped(forgotten);
            excess -= forgotten;
        }
    }

    fn skipped(&self) -> usize {
        self.sessions.iter().map(Session::skipped).sum()
    }

    /// The state to save. It holds private keys: keep it where only the device can read it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let capacity = 64 + self.sessions.iter().map(Session::written_bytes).sum::<usize>();
        let mut out = Writer::new(Kind::Peer, self.protocol, capacity);
        out.option(self.identity.as_ref(), Writer::identity);
        out.count(self.sessions.len());
        self.sessions.iter().for_each(|session| session.write(&mut out));
        out.finish()
    }

    /// Reads a saved state.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::TooLarge`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (mut from, protocol) = Reader::new(Kind::Peer, bytes)?;
        let identity = from.option(Reader::identity)?;
        let sessions = from.list(SESSIONS_PER_PEER_MAX, Session::read)?;
        from.finish()?;
        let peer = Self { protocol, identity, sessions };
        if peer.skipped() > SKIPPED_PER_PEER_MAX { Err(MALFORMED) } else { Ok(peer) }
    }
}
