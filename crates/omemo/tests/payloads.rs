//! Payloads: what is sealed opens with its key and with nothing else.

mod people;

use omemo::limits::PAYLOAD_BYTES_MAX;
use omemo::payload::{self, PayloadKey};
use omemo::{Error, Protocol};
use people::{BOTH, friends};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

proptest! {
    #[test]
    fn what_is_sealed_opens_and_a_changed_bit_does_not(
        text in prop::collection::vec(any::<u8>(), 0..200),
        seed in any::<u64>(),
        bit in any::<usize>(),
    ) {
        for protocol in BOTH {
            let mut rng = StdRng::seed_from_u64(seed);
            let (key, sealed) = payload::seal(protocol, &text, &mut rng).unwrap();
            let iv = sealed.iv.as_ref().map(|iv| iv.as_slice());
            let opened = payload::open(&key, iv, &sealed.ciphertext).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
            let (other, _) = payload::seal(protocol, &text, &mut rng).unwrap();
            prop_assert_eq!(payload::open(&other, iv, &sealed.ciphertext), Err(Error::BadPayload));
            let mut changed = sealed.ciphertext.clone();
            if !changed.is_empty() {
                let bit = bit % (changed.len() * 8);
                changed[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(payload::open(&key, iv, &changed), Err(Error::BadPayload));
            }
        }
    }
}

#[test]
fn a_payload_beyond_the_limit_is_neither_sealed_nor_opened() {
    let mut rng = StdRng::seed_from_u64(1);
    for protocol in BOTH {
        let largest = vec![0; PAYLOAD_BYTES_MAX];
        let (key, sealed) = payload::seal(protocol, &largest, &mut rng).unwrap();
        let iv = sealed.iv.as_ref().map(|iv| iv.as_slice());
        assert_eq!(payload::open(&key, iv, &sealed.ciphertext).unwrap().len(), PAYLOAD_BYTES_MAX);
        let too_large = vec![0; PAYLOAD_BYTES_MAX + 17];
        assert_eq!(payload::seal(protocol, &too_large, &mut rng).err(), Some(Error::TooLarge("payload")));
        assert_eq!(payload::open(&key, iv, &too_large), Err(Error::TooLarge("payload")));
    }
}

#[test]
fn a_payload_of_the_older_namespace_needs_its_iv() {
    let mut rng = StdRng::seed_from_u64(1);
    let (key, sealed) = payload::seal(Protocol::Axolotl, b"text", &mut rng).unwrap();
    let error = Error::Malformed("payload: it has no <iv/>");
    assert_eq!(payload::open(&key, None, &sealed.ciphertext), Err(error));
    let error = Error::Malformed("payload: its <iv/> is neither 12 nor 16 bytes");
    assert_eq!(payload::open(&key, Some(&[0; 13]), &sealed.ciphertext), Err(error));
    assert_eq!(payload::open(&key, Some(&[0; 16]), &sealed.ciphertext), Err(Error::BadPayload));
}

#[test]
fn the_key_of_an_empty_message_opens_nothing() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let (empty, iv) = PayloadKey::empty(protocol, &mut alice.rng);
        let key = alice.peer.encrypt(&alice.device, &empty, &mut alice.rng).unwrap();
        let decrypted = bob.peer.decrypt(&mut bob.device, key.key_exchange, &key.bytes).unwrap();
        assert!(decrypted.key == empty);
        let iv = iv.as_ref().map(|iv| iv.as_slice());
        assert_eq!(payload::open(&decrypted.key, iv, &[0; 32]), Err(Error::BadPayload));
    }
}
