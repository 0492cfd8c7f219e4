//! A session: one key agreement and the ratchet that came of it. [`Peer`](crate::Peer) keeps the sessions with a device.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::bundle::Bundle;
use crate::cipher::MessageKeys;
use crate::curve::{KeyPair, PublicKey};
use crate::device::Device;
use crate::error::Error;
use crate::identity::IdentityKey;
use crate::protocol::{IdentityOrder, Profile};
use crate::ratchet::{Ratchet, Received};
use crate::state::{Reader, Writer};
use crate::wire::{KeyExchange, Message, write_message};
use crate::x3dh;

/// What a key exchange says beside keys: which prekeys of the responder it uses.
#[derive(Clone, Copy, Debug)]
struct Prekeys {
    one_time: u32,
    signed: u32,
}

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The other side's identity.
    identity: IdentityKey,
    /// Whether we started it.
    initiator: bool,
    /// The key that tells this key exchange from others.
    ephemeral: PublicKey,
    /// Until the first answer: what every message must carry, for it may be the first to arrive.
    unanswered: Option<Prekeys>,
    ratchet: Ratchet,
}

/// What came out of a message.
pub(crate) struct Opened {
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
    pub(crate) late: bool,
    pub(crate) heartbeat_due: bool,
}

impl Session {
    /// Starts a session with the owner of the bundle (X3DH §3.3).
    pub(crate) fn initiate<R: CryptoRng + ?Sized>(
        device: &Device,
        bundle: &Bundle,
        rng: &mut R,
    ) -> Result<Self, Error> {
        let profile = device.protocol().profile();
        let (one_time, prekey) = bundle.choose_prekey(rng)?;
        let (signed, signed_prekey) = bundle.signed_prekey();
        let ephemeral = KeyPair::random(rng);
        let theirs = x3dh::Theirs { identity: bundle.identity(), signed_prekey, prekey };
        let secret = x3dh::initiate(profile, device.identity(), &ephemeral, &theirs)?;
        Ok(Self {
            identity: *bundle.identity(),
            initiator: true,
            ephemeral: ephemeral.public(),
            unanswered: Some(Prekeys { one_time, signed }),
            ratchet: Ratchet::initiator(profile, &secret, *signed_prekey, rng)?,
        })
    }

    /// The session that the key exchange starts with us (X3DH §3.4); its message is not looked at yet.
    pub(crate) fn respond(device: &Device, exchange: &KeyExchange<'_>) -> Result<Self, Error> {
        let signed_prekey = device.signed_prekey(exchange.signed_prekey_id)?;
        let prekey = device.prekey(exchange.prekey_id)?;
        let ours = x3dh::Ours { identity: device.identity(), signed_prekey, prekey };
        let profile = device.protocol().profile();
        let secret = x3dh::respond(profile, &ours, &exchange.identity, &exchange.ephemeral)?;
        Ok(Self {
            identity: exchange.identity,
            initiator: false,
            ephemeral: exchange.ephemeral,
            unanswered: None,
            ratchet: Ratchet::responder(secret, signed_prekey.clone()),
        })
    }

    /// Encrypts; whether the result is a key exchange. On failure the session may have changed: work on a copy.
    pub(crate) fn encrypt<R: CryptoRng + ?Sized>(
        &mut self,
        device: &Device,
        plaintext: &[u8],
        rng: &mut R,
    ) -> Result<(Vec<u8>, bool), Error> {
        let profile = device.protocol().profile();
        let (header, key) = self.ratchet.send(profile, rng)?;
        let keys = MessageKeys::derive(key.as_bytes(), profile.message_label);
        let identities = self.identities(device, true)?;
        let message = write_message(profile, &header, &keys.encrypt(plaintext), |message| {
            keys.mac(&[&identities, message], profile.mac_bytes)
        });
        let Some(Prekeys { one_time, signed }) = self.unanswered else { return Ok((message, false)) };
        let exchange = KeyExchange {
            prekey_id: one_time,
            signed_prekey_id: signed,
            identity: device.identity().key(),
            ephemeral: self.ephemeral,
            message: &message,
        };
        Ok((exchange.write(device.protocol(), device.id().number())?, true))
    }

    /// Decrypts. On failure the session may have changed: work on a copy.
    pub(crate) fn decrypt(&mut self, device: &Device, message: &Message<'_>) -> Result<Opened, Error> {
        let profile: &Profile = device.protocol().profile();
        let Received { key, late, heartbeat_due } = self.ratchet.receive(profile, &message.header)?;
        let keys = MessageKeys::derive(key.as_bytes(), profile.message_label);
        let identities = self.identities(device, false)?;
        if !keys.is_authentic(&[&identities, message.authenticated], message.mac, profile.mac_bytes) {
            return Err(Error::Unauthentic);
        }
        let plaintext = keys.decrypt(message.ciphertext).ok_or(Error::Malformed("padding"))?;
        self.unanswered = None;
        self.ratchet.trim();
        Ok(Opened { plaintext, late, heartbeat_due })
    }

    /// Whether the key exchange is the one that started this session with us.
    pub(crate) fn was_started_by(&self, exchange: &KeyExchange<'_>) -> bool {
        !self.initiator && self.ephemeral == exchange.ephemeral && self.identity == exchange.identity
    }

    /// Whether a message with this ratchet key has been decrypted.
    pub(crate) fn knows(&self, ratchet_key: &PublicKey) -> bool {
        self.ratchet.knows(ratchet_key)
    }

    pub(crate) fn skipped(&self) -> usize {
        self.ratchet.skipped()
    }

    pub(crate) fn forget_skipped(&mut self, count: usize) {
        self.ratchet.forget_skipped(count);
    }

    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Both identity keys in the order in which the namespace authenticates them.
    fn identities(&self, device: &Device, sending: bool) -> Result<Vec<u8>, Error> {
        let protocol = device.protocol();
        let own = device.identity().key().encode(protocol)?;
        let theirs = self.identity.encode(protocol)?;
        let own_first = match protocol.profile().identity_order {
            IdentityOrder::SenderFirst => sending,
            IdentityOrder::InitiatorFirst => self.initiator,
        };
        Ok(if own_first { [own, theirs] } else { [theirs, own] }.concat())
    }

    /// Most bytes that [`Session::write`] writes.
    pub(crate) fn written_bytes(&self) -> usize {
        128 + self.ratchet.written_bytes()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.identity(&self.identity);
        out.flag(self.initiator);
        out.public(&self.ephemeral);
        out.option(self.unanswered.as_ref(), |out, prekeys| {
            out.number(prekeys.one_time);
            out.number(prekeys.signed);
        });
        self.ratchet.write(out);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            identity: from.identity()?,
            initiator: from.flag()?,
            ephemeral: from.public()?,
            unanswered: from.option(|from| Ok(Prekeys { one_time: from.number()?, signed: from.number()? }))?,
            ratchet: Ratchet::read(from)?,
        })
    }
}
