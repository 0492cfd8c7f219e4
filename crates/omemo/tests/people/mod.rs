//! Two devices that write to each other, for the tests.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use omemo::{Bundle, Decrypted, Device, DeviceId, EncryptedKey, Error, Fingerprint, Identity, Peer, Protocol, payload};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const BOTH: [Protocol; 2] = [Protocol::Axolotl, Protocol::Omemo2];

/// A message under way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    pub key: EncryptedKey,
    pub iv: Option<[u8; 12]>,
    pub ciphertext: Vec<u8>,
}

/// A device, and what it knows of the other one.
pub struct Person {
    pub device: Device,
    pub peer: Peer,
    pub rng: StdRng,
}

/// The same state, as a thief or a backup has it; from here on with other randomness.
impl Clone for Person {
    fn clone(&self) -> Self {
        Self { device: self.device.clone(), peer: self.peer.clone(), rng: StdRng::seed_from_u64(1000) }
    }
}

impl Person {
    pub fn new(protocol: Protocol, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let identity = Identity::random(&mut rng);
        let id = DeviceId::random(&mut rng);
        Self { device: Device::new(protocol, id, identity, &mut rng), peer: Peer::new(protocol), rng }
    }

    pub fn bundle(&self) -> Bundle {
        Bundle::verify(self.device.protocol(), &self.device.bundle().unwrap()).unwrap()
    }

    pub fn start(&mut self, bundle: &Bundle) {
        self.peer.start(&self.device, bundle, &mut self.rng).unwrap();
    }

    pub fn write(&mut self, text: &str) -> Sent {
        let (key, sealed) = payload::seal(self.device.protocol(), text.as_bytes(), &mut self.rng).unwrap();
        let key = self.peer.encrypt(&self.device, &key, &mut self.rng).unwrap();
        Sent { text: text.to_owned(), key, iv: sealed.iv, ciphertext: sealed.ciphertext }
    }

    /// The text of the message.
    pub fn read(&mut self, sent: &Sent) -> Result<String, Error> {
        let decrypted = self.decrypt(sent)?;
        let text = payload::open(&decrypted.key, sent.iv.as_ref().map(|iv| iv.as_slice()), &sent.ciphertext)?;
        Ok(String::from_utf8(text.to_vec()).unwrap())
    }

    /// Decrypts, and sees that a failure changes nothing.
    pub fn decrypt(&mut self, sent: &Sent) -> Result<Decrypted, Error> {
        let before = (self.device.to_bytes(), self.peer.to_bytes());
        let result = self.peer.decrypt(&mut self.device, sent.key.key_exchange, &sent.key.bytes);
        if result.is_err() {
            assert!(before == (self.device.to_bytes(), self.peer.to_bytes()), "a failure changed the state");
        }
        result
    }

    /// As after a restart of the client.
    pub fn restart(&mut self) {
        let (device, peer) = (self.device.to_bytes(), self.peer.to_bytes());
        self.device = Device::from_bytes(&device).unwrap();
        self.peer = Peer::from_bytes(&peer).unwrap();
        assert!(device == self.device.to_bytes() && peer == self.peer.to_bytes(), "the state reads as another");
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.device.identity().key().fingerprint()
    }
}

/// Two people without sessions.
pub fn strangers(protocol: Protocol) -> (Person, Person) {
    (Person::new(protocol, 1), Person::new(protocol, 2))
}

/// Two people who have written to each other once.
pub fn friends(protocol: Protocol) -> (Person, Person) {
    let (mut alice, mut bob) = strangers(protocol);
    alice.start(&bob.bundle());
    let hello = alice.write("Hello Bob");
    assert_eq!(bob.read(&hello).unwrap(), "Hello Bob");
    let hello = bob.write("Hello Alice");
    assert_eq!(alice.read(&hello).unwrap(), "Hello Alice");
    (alice, bob)
}
