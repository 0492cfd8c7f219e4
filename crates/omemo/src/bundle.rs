//! Bundles: what a device publishes so that others can start a session with it while it is away (XEP-0384 "Bundles").

use rand_core::CryptoRng;

use crate::curve::PublicKey;
use crate::error::Error;
use crate::identity::IdentityKey;
use crate::limits::BUNDLE_PREKEYS_MAX;
use crate::protocol::Protocol;

/// A bundle as it is published, its keys as bytes before base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleParts {
    /// `<ik/>` (`<identityKey/>` in the older namespace).
    pub identity: Vec<u8>,
    /// The id of `<spk/>` (`<signedPreKeyPublic/>`).
    pub signed_prekey_id: u32,
    /// `<spk/>`.
    pub signed_prekey: Vec<u8>,
    /// `<spks/>` (`<signedPreKeySignature/>`).
    pub signature: Vec<u8>,
    /// `<pk/>` (`<preKeyPublic/>`): their ids and keys.
    pub prekeys: Vec<(u32, Vec<u8>)>,
}

/// Somebody's bundle whose signature holds.
#[derive(Clone, Debug)]
pub struct Bundle {
    protocol: Protocol,
    identity: IdentityKey,
    signed_prekey_id: u32,
    signed_prekey: PublicKey,
    /// At least one.
    prekeys: Vec<(u32, PublicKey)>,
}

impl Bundle {
    /// Reads a bundle and checks its signature. One-time prekeys that are malformed are left out, as are those beyond
    /// the limit.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::BadSignature`], or [`Error::NoPrekeys`] when no one-time prekey is left.
    pub fn verify(protocol: Protocol, parts: &BundleParts) -> Result<Self, Error> {
        let form = protocol.profile().key_form;
        let identity = IdentityKey::decode(protocol, &parts.identity)?;
        let signed_prekey = PublicKey::decode(form, &parts.signed_prekey).ok_or(Error::Malformed("signed prekey"))?;
        identity.verify(protocol, &parts.signed_prekey, &parts.signature)?;
        let prekeys: Vec<_> = parts
            .prekeys
            .iter()
            .take(BUNDLE_PREKEYS_MAX)
            .filter_map(|(id, key)| Some((*id, PublicKey::decode(form, key)?)))
            .collect();
        if prekeys.is_empty() {
            return Err(Error::NoPrekeys);
        }
        Ok(Self { protocol, identity, signed_prekey_id: parts.signed_prekey_id, signed_prekey, prekeys })
    }

    /// Whose bundle it is. Nothing may be sent before this key is trusted.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The namespace that it is of.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn signed_prekey(&self) -> (u32, &PublicKey) {
        (self.signed_prekey_id, &self.signed_prekey)
    }

    /// One of the one-time prekeys, by chance: who reads the bundle at the same time should take another.
    pub(crate) fn choose_prekey<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<(u32, &PublicKey), Error> {
        // At most 1000 of 2^64: the bias is nothing.
        let at = rng.next_u64() % (self.prekeys.len() as u64).max(1);
        let chosen = usize::try_from(at).ok().and_then(|at| self.prekeys.get(at));
        chosen.map(|(id, key)| (*id, key)).ok_or(Error::NoPrekeys)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::{Device, DeviceId, Identity};

    #[test]
    fn of_a_huge_bundle_only_the_first_prekeys_are_read() {
        let mut rng = StdRng::seed_from_u64(1);
        let identity = Identity::random(&mut rng);
        let device = Device::new(Protocol::Omemo2, DeviceId::random(&mut rng), identity, &mut rng);
        let mut parts = device.bundle().unwrap();
        let good = parts.prekeys.remove(0);
        parts.prekeys = vec![(1, Vec::new()); BUNDLE_PREKEYS_MAX - 1];
        parts.prekeys.push(good.clone());
        assert_eq!(Bundle::verify(Protocol::Omemo2, &parts).unwrap().prekeys.len(), 1);
        parts.prekeys.insert(0, (1, Vec::new()));
        assert_eq!(Bundle::verify(Protocol::Omemo2, &parts).err(), Some(Error::NoPrekeys));
    }

    #[test]
    fn every_prekey_of_a_bundle_may_be_chosen() {
        let mut rng = StdRng::seed_from_u64(1);
        let identity = Identity::random(&mut rng);
        let device = Device::new(Protocol::Omemo2, DeviceId::random(&mut rng), identity, &mut rng);
        let bundle = Bundle::verify(Protocol::Omemo2, &device.bundle().unwrap()).unwrap();
        let chosen: std::collections::BTreeSet<u32> =
            (0..2000).map(|_| bundle.choose_prekey(&mut rng).unwrap().0).collect();
        assert_eq!(chosen.len(), 100);
    }
}
