//! Key exchanges of OMEMO: whatever comes, either a session begins and its message is read once, or nothing changes.

use omemo::wire::KeyExchange;
use omemo::{Error, Peer};

use crate::omemo_devices::chosen;

/// The input is `1` or `2` for the namespace, then a key exchange.
pub fn run(input: &[u8]) {
    let Some((protocol, scene, bytes)) = chosen(input) else { return };
    let parsed = KeyExchange::parse(protocol, bytes);
    if let Ok(parsed) = &parsed
        && let Ok(written) = parsed.write(protocol, 1)
        // Unknown fields may take the room that a device id would.
        && written.len() <= bytes.len()
    {
        assert_eq!(KeyExchange::parse(protocol, &written).as_ref(), Ok(parsed), "it was written as another");
    }
    let (mut device, mut peer) = (scene.device.clone(), Peer::new(protocol));
    match peer.decrypt(&mut device, true, bytes) {
        Ok(decrypted) => {
            assert!(parsed.is_ok() && decrypted.session_started);
            assert_eq!(device.prekeys_left() + 1, scene.device.prekeys_left());
            assert_eq!(peer.decrypt(&mut device, true, bytes).err(), Some(Error::Duplicate));
        }
        Err(_) => {
            assert!(!peer.has_session());
            assert_eq!(device.prekeys_left(), scene.device.prekeys_left());
        }
    }
}
