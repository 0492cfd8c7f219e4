//! Prekeys: the signed one, and those that are used once.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use crate::curve::KeyPair;
use crate::error::Error;
use crate::identity::Identity;
use crate::limits::{PREKEYS, USED_PREKEYS_MAX};
use crate::protocol::Protocol;
use crate::state::{Reader, Writer};
use crate::xeddsa::Signature;

/// A prekey that the identity key vouches for.
#[derive(Clone, Debug)]
pub(super) struct SignedPrekey {
    pub(super) id: u32,
    pub(super) pair: KeyPair,
    pub(super) signature: Signature,
}

impl SignedPrekey {
    pub(super) fn random<R: CryptoRng + ?Sized>(protocol: Protocol, id: u32, identity: &Identity, rng: &mut R) -> Self {
        let pair = KeyPair::random(rng);
        let signature = identity.sign(&pair.public().encode(protocol.profile().key_form), rng);
        Self { id, pair, signature }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.id);
        out.secret(self.pair.private());
        out.bytes(&self.signature);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { id: from.number()?, pair: from.pair()?, signature: from.array()? })
    }
}

/// A prekey that starts one session.
#[derive(Clone, Debug)]
pub(super) struct Prekey {
    pub(super) id: u32,
    pub(super) pair: KeyPair,
}

/// The one-time prekeys of a device.
#[derive(Clone, Debug)]
pub(super) struct Prekeys {
    /// In the bundle.
    fresh: Vec<Prekey>,
    /// Used during the catch-up, the oldest first; never in the bundle again.
    used: VecDeque<Prekey>,
    keeps_used: bool,
    /// Id of the next one.
    next_id: u32,
}

impl Prekeys {
    pub(super) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut prekeys = Self { fresh: Vec::new(), used: VecDeque::new(), keeps_used: false, next_id: 1 };
        prekeys.refill(rng);
        prekeys
    }

    pub(super) fn published(&self) -> impl Iterator<Item = &Prekey> {
        self.fresh.iter()
    }

    pub(super) fn find(&self, id: u32) -> Option<&KeyPair> {
        self.fresh.iter().chain(&self.used).find(|prekey| prekey.id == id).map(|prekey| &prekey.pair)
    }

    pub(super) fn mark_used(&mut self, id: u32) {
        let Some(at) = self.fresh.iter().position(|prekey| prekey.id == id) else { return };
        let prekey = self.fresh.remove(at);
        if !self.keeps_used {
            return;
        }
        self.used.push_back(prekey);
        if self.used.len() > USED_PREKEYS_MAX {
            self.used.pop_front();
        }
    }

    pub(super) fn keep_used(&mut self, keep: bool) {
        self.keeps_used = keep;
        if !keep {
            self.used.clear();
        }
    }

    pub(super) fn refill<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) {
        while self.fresh.len() < PREKEYS {
            self.fresh.push(Prekey { id: self.next_id, pair: KeyPair::random(rng) });
            self.next_id = next_id(self.next_id);
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.next_id);
        out.flag(self.keeps_used);
        out.count(self.fresh.len());
        out_all(self.fresh.iter(), out);
        out.count(self.used.len());
        out_all(self.used.iter(), out);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let prekey = |from: &mut Reader<'_>| Ok(Prekey { id: from.number()?, pair: from.pair()? });
        Ok(Self {
            next_id: from.number()?,
            keeps_used: from.flag()?,
            fresh: from.list(PREKEYS, prekey)?,
            used: from.list(USED_PREKEYS_MAX, prekey)?,
        })
    }
}

fn out_all<'a>(prekeys: impl Iterator<Item = &'a Prekey>, out: &mut Writer) {
    for prekey in prekeys {
        out.number(prekey.id);
        out.secret(prekey.pair.private());
    }
}

/// Ids are 1 to 2^31 - 1 and begin anew after that (XEP-0384 "Bundles").
pub(super) fn next_id(id: u32) -> u32 {
    if id >= i32::MAX.unsigned_abs() { 1 } else { id + 1 }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn ids_begin_anew_after_the_last() {
        assert_eq!(next_id(1), 2);
        assert_eq!(next_id(0x7fff_ffff), 1);
    }

    #[test]
    fn a_used_prekey_is_gone_and_the_refill_has_a_new_id() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut prekeys = Prekeys::random(&mut rng);
        assert_eq!(prekeys.published().count(), PREKEYS);
        prekeys.mark_used(7);
        assert!(prekeys.find(7).is_none());
        prekeys.refill(&mut rng);
        assert_eq!(prekeys.published().last().unwrap().id, 101);
        assert_eq!(prekeys.published().count(), PREKEYS);
    }

    #[test]
    fn while_catching_up_used_prekeys_stay_usable_up_to_the_limit_but_are_not_published() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut prekeys = Prekeys::random(&mut rng);
        prekeys.keep_used(true);
        for id in 1..=101 {
            prekeys.refill(&mut rng);
            prekeys.mark_used(id);
            assert!(prekeys.find(id).is_some());
            assert!(prekeys.published().all(|prekey| prekey.id != id));
        }
        assert!(prekeys.find(1).is_none());
        assert_eq!(prekeys.used.len(), USED_PREKEYS_MAX);
        prekeys.keep_used(false);
        assert!(prekeys.find(101).is_none());
    }
}
