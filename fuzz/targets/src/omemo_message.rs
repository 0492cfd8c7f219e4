//! Messages of OMEMO sessions: whatever comes, either it is authentic and read once, or nothing changes.

use omemo::Error;
use omemo::wire::Message;

use crate::omemo_devices::chosen;

/// The input is `1` or `2` for the namespace, then a message.
pub fn run(input: &[u8]) {
    let Some((protocol, scene, bytes)) = chosen(input) else { return };
    let parsed = Message::parse(protocol, bytes);
    let (mut device, mut peer) = (scene.device.clone(), scene.peer.clone());
    match peer.decrypt(&mut device, false, bytes) {
        Ok(_) => {
            assert!(parsed.is_ok());
            assert_eq!(peer.decrypt(&mut device, false, bytes).err(), Some(Error::Duplicate));
        }
        Err(_) => assert!(peer.to_bytes() == scene.peer.to_bytes(), "a failure changed the state"),
    }
}
