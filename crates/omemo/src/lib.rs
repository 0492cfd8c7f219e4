//! OMEMO end to end encryption (XEP-0384) in both its namespaces: key agreement, ratchets, envelopes.
//!
//! Pure: no I/O, no clock, and randomness is passed in. Every call takes what it needs and returns what it made; a call
//! that fails changes nothing. Builds for native targets and wasm32.
//!
//! # Where a specification is
//! | specification | module |
//! | --- | --- |
//! | X25519, Curve25519 keys (RFC 7748) | `curve` |
//! | XEdDSA (Signal), Ed25519 verification (RFC 8032) | `xeddsa` |
//! | identity keys, their two forms, fingerprints (XEP-0384) | `identity` |
//! | HKDF (RFC 5869), KDF chains (Double Ratchet §2.1) | `kdf` |
//! | X3DH (Signal) | `x3dh`; prekeys and their lives in `device`, published ones in `bundle` |
//! | Double Ratchet (Signal) | `ratchet`; out-of-order messages in `ratchet/chain.rs` |
//! | `ENCRYPT` and `DECRYPT` (XEP-0384) | `cipher`, `session` |
//! | protobuf messages (XEP-0384) | [`wire`] |
//! | several sessions, answers, what to do about failures (XEP-0384 "Business Rules") | `peer`, `error` |
//! | payloads | [`payload`] |
//! | what differs between the namespaces | `protocol`, one table |
//! | bounds | [`limits`] |
//!
//! # A message
//! ```
//! use omemo::{Bundle, Device, DeviceId, Identity, Peer, Protocol, payload};
//! # use rand::SeedableRng;
//! # let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//! let protocol = Protocol::Omemo2;
//! let alice = Device::new(protocol, DeviceId::random(&mut rng), Identity::random(&mut rng), &mut rng);
//! let mut bob = Device::new(protocol, DeviceId::random(&mut rng), Identity::random(&mut rng), &mut rng);
//!
//! // Alice fetches Bob's bundle, lets the user decide on its fingerprint, and writes.
//! let bundle = Bundle::verify(protocol, &bob.bundle()?)?;
//! println!("{}", bundle.identity().fingerprint());
//! let mut to_bob = Peer::new(protocol);
//! to_bob.start(&alice, &bundle, &mut rng)?;
//! let (key, sealed) = payload::seal(protocol, b"Hello", &mut rng)?;
//! let encrypted = to_bob.encrypt(&alice, &key, &mut rng)?;
//!
//! // Bob reads. What the calls changed is saved before anything else happens.
//! let mut from_alice = Peer::new(protocol);
//! let decrypted = from_alice.decrypt(&mut bob, encrypted.key_exchange, &encrypted.bytes)?;
//! assert_eq!(payload::open(&decrypted.key, None, &sealed.ciphertext)?.as_slice(), b"Hello");
//! let (_device, _peer) = (bob.to_bytes(), from_alice.to_bytes());
//! # Ok::<(), omemo::Error>(())
//! ```

mod bundle;
mod cipher;
mod curve;
mod device;
mod error;
mod identity;
mod kdf;
pub mod limits;
pub mod payload;
mod peer;
mod protocol;
mod ratchet;
mod secret;
mod session;
mod state;
#[cfg(test)]
mod vectors;
pub mod wire;
mod x3dh;
mod xeddsa;

pub use bundle::{Bundle, BundleParts};
pub use curve::PublicKey;
pub use device::{Device, DeviceId};
pub use error::{Error, Remedy};
pub use identity::{Fingerprint, Identity, IdentityKey};
pub use peer::{Answer, Decrypted, EncryptedKey, Peer};
pub use protocol::Protocol;
pub use rand_core::CryptoRng;
