//! Saved state of OMEMO sessions: what is read is written as the same bytes, and can be used.

use omemo::{Device, Identity, Peer, payload};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::omemo_devices::chosen;

/// The input is the saved state of a peer, a device or an identity.
pub fn run(input: &[u8]) {
    if let Ok(device) = Device::from_bytes(input) {
        assert!(device.to_bytes().as_slice() == input, "a device is written as another");
    }
    if let Ok(identity) = Identity::from_bytes(input) {
        assert_eq!(Identity::from_bytes(&identity.to_bytes()).expect("it was written").key(), identity.key());
    }
    let Ok(mut peer) = Peer::from_bytes(input) else { return };
    assert!(peer.to_bytes().as_slice() == input, "a peer is written as another");
    for choice in [b"1", b"2"] {
        let Some((protocol, scene, _)) = chosen(choice) else { return };
        let mut device = scene.device.clone();
        let mut rng = StdRng::seed_from_u64(1);
        let (key, _) = payload::seal(protocol, b"text", &mut rng).expect("a payload");
        let _ = peer.encrypt(&device, &key, &mut rng);
        for message in [&scene.message, &scene.key_exchange] {
            let _ = peer.decrypt(&mut device, message.key_exchange, &message.bytes);
        }
        assert!(Peer::from_bytes(&peer.to_bytes()).is_ok(), "a state was made that cannot be read");
    }
}
