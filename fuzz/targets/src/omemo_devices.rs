//! Two devices that are the same in every run, for the targets that read what devices send each other.

use std::sync::LazyLock;

use omemo::{Bundle, Device, DeviceId, EncryptedKey, Identity, Peer, Protocol, payload};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A receiver in each namespace, and what was sent to it.
pub struct Scene {
    /// The receiver.
    pub device: Device,
    /// What the receiver knows of the sender.
    pub peer: Peer,
    /// A key exchange for a receiver that knows nobody.
    pub key_exchange: EncryptedKey,
    /// A message for the receiver as it is here.
    pub message: EncryptedKey,
}

/// The scene in the namespace that the first byte of an input chooses; and the rest of the input.
pub fn chosen(input: &[u8]) -> Option<(Protocol, &'static Scene, &[u8])> {
    static SCENES: LazyLock<[Scene; 2]> = LazyLock::new(|| [scene(Protocol::Axolotl), scene(Protocol::Omemo2)]);
    let (first, rest) = input.split_first()?;
    match first {
        b'1' => Some((Protocol::Axolotl, &SCENES[0], rest)),
        b'2' => Some((Protocol::Omemo2, &SCENES[1], rest)),
        _ => None,
    }
}

fn scene(protocol: Protocol) -> Scene {
    let mut rng = StdRng::seed_from_u64(1);
    let mut device = |number| {
        let identity = Identity::random(&mut rng);
        Device::new(protocol, DeviceId::new(number).expect("an id"), identity, &mut rng)
    };
    let (mut alice, mut bob) = (device(1), device(2));
    let parts = bob.bundle().expect("a bundle");
    let bundle = Bundle::verify(protocol, &parts).expect("a good bundle");
    let (mut to_bob, mut to_alice) = (Peer::new(protocol), Peer::new(protocol));
    let (key, _) = payload::seal(protocol, b"text", &mut rng).expect("a payload");
    to_bob.start(&alice, &bundle, &mut rng).expect("a session");
    let key_exchange = to_bob.encrypt(&alice, &key, &mut rng).expect("a first message");
    let before = bob.clone();
    to_alice.decrypt(&mut bob, true, &key_exchange.bytes).expect("Bob reads");
    let answer = to_alice.encrypt(&bob, &key, &mut rng).expect("an answer");
    to_bob.decrypt(&mut alice, false, &answer.bytes).expect("Alice reads");
    let lost = to_bob.encrypt(&alice, &key, &mut rng).expect("a message that is lost");
    assert!(!lost.key_exchange);
    let message = to_bob.encrypt(&alice, &key, &mut rng).expect("a message");
    Scene { device: before, peer: to_alice, key_exchange, message }
}
