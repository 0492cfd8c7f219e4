//! Our own device in one namespace: its identity, its prekeys, the bundle it publishes (X3DH §3.2; XEP-0384 "Key
//! Exchange" for numbers and ages, "Business Rules" for catching up).

mod prekeys;
mod saved;

use rand_core::CryptoRng;

use crate::bundle::BundleParts;
use crate::curve::KeyPair;
use crate::error::Error;
use crate::identity::Identity;
use crate::limits::PREKEYS_MIN;
use crate::protocol::Protocol;
use prekeys::{Prekeys, SignedPrekey, next_id};

/// Number of a device, unique for its account: 1 to 2^31 - 1 (XEP-0384 "Setup").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(u32);

impl DeviceId {
    /// `None` when the number is no device id.
    pub fn new(id: u32) -> Option<Self> {
        (1..=i32::MAX.unsigned_abs()).contains(&id).then_some(Self(id))
    }

    /// A number by chance. Before it is published, look whether the account has a device of that number already.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(rng.next_u32() % i32::MAX.unsigned_abs() + 1)
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Our own device in one namespace. A client that speaks both has two, with one [`Identity`] and one id.
#[derive(Clone, Debug)]
pub struct Device {
    protocol: Protocol,
    id: DeviceId,
    identity: Identity,
    signed: SignedPrekey,
    /// The signed prekey before, for messages that were under way.
    previous: Option<SignedPrekey>,
    prekeys: Prekeys,
}

impl Device {
    /// A device with fresh prekeys.
    ///
    pub fn new<R: CryptoRng + ?Sized>(protocol: Protocol, id: DeviceId, identity: Identity, rng: &mut R) -> Self {
        let signed = SignedPrekey::random(protocol, 1, &identity, rng);
        let prekeys = Prekeys::random(rng);
        Self { protocol, id, identity, signed, previous: None, prekeys }
    }

    /// The namespace.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The number.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What to publish.
    ///
    /// # Errors
    /// [`Error::WeakKey`] when the identity has no form of this namespace, which no random one lacks.
    pub fn bundle(&self) -> Result<BundleParts, Error> {
        let form = self.protocol.profile().key_form;
        Ok(BundleParts {
            identity: self.identity.key().encode(self.protocol)?,
            signed_prekey_id: self.signed.id,
            signed_prekey: self.signed.pair.public().encode(form),
            signature: self.signed.signature.to_vec(),
            prekeys: self.prekeys.published().map(|prekey| (prekey.id, prekey.pair.public().encode(form))).collect(),
        })
    }

    /// Makes a new signed prekey and keeps the one before for one more period. Call it every
    /// [`SIGNED_PREKEY_SECS`](crate::limits::SIGNED_PREKEY_SECS), then publish the bundle.
    pub fn rotate_signed_prekey<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) {
        let next = SignedPrekey::random(self.protocol, next_id(self.signed.id), &self.identity, rng);
        self.previous = Some(std::mem::replace(&mut self.signed, next));
    }

    /// One-time prekeys that are left for others.
    pub fn prekeys_left(&self) -> usize {
        self.prekeys.published().count()
    }

    /// Whether so few one-time prekeys are left that [`Device::refill_prekeys`] is due. A used one has left the bundle
    /// at once, so publish the bundle after every session that was started with us in any case.
    pub fn needs_prekeys(&self) -> bool {
        self.prekeys_left() < PREKEYS_MIN
    }

    /// Fills the one-time prekeys up to [`PREKEYS`](crate::limits::PREKEYS); then publish the bundle.
    pub fn refill_prekeys<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) {
        self.prekeys.refill(rng);
    }

    /// From now on used prekeys are kept, until [`Device::end_catch_up`]: of several sessions that were started with
    /// one of them while we were away, none is lost (XEP-0384 "Business Rules"). Answer each of those sessions.
    pub fn begin_catch_up(&mut self) {
        self.prekeys.keep_used(true);
    }

    /// Deletes the prekeys that were used during the catch-up; from now on they go at once.
    pub fn end_catch_up(&mut self) {
        self.prekeys.keep_used(false);
    }

    pub(crate) fn signed_prekey(&self, id: u32) -> Result<&KeyPair, Error> {
        let all = [Some(&self.signed), self.previous.as_ref()];
        let found = all.into_iter().flatten().find(|signed| signed.id == id);
        found.map(|signed| &signed.pair).ok_or(Error::UnknownSignedPrekey(id))
    }

    pub(crate) fn prekey(&self, id: u32) -> Result<&KeyPair, Error> {
        self.prekeys.find(id).ok_or(Error::UnknownPrekey(id))
    }

    /// The prekey has started a session: nobody else can.
    pub(crate) fn use_prekey(&mut self, id: u32) {
        self.prekeys.mark_used(id);
    }
}
