//! The bounds of `limits.rs`, each reached.

mod people;

use omemo::limits::{PAST_CHAINS_MAX, PREKEYS, SESSIONS_PER_PEER_MAX, SKIPPED_PER_MESSAGE_MAX};
use omemo::payload::PayloadKey;
use omemo::{Error, Peer, Remedy};
use people::{BOTH, Person, friends};

#[test]
fn prekeys_are_refilled_when_half_of_them_are_used() {
    let protocol = BOTH[1];
    let mut bob = Person::new(protocol, 2);
    for seed in 100.. {
        if bob.device.needs_prekeys() {
            break;
        }
        let mut stranger = Person::new(protocol, seed);
        stranger.start(&bob.bundle());
        bob.peer = Peer::new(protocol);
        bob.read(&stranger.write("hello")).unwrap();
    }
    assert_eq!(bob.device.prekeys_left(), 49);
    bob.device.refill_prekeys(&mut bob.rng);
    assert_eq!(bob.device.bundle().unwrap().prekeys.len(), PREKEYS);
}

#[test]
fn a_long_monologue_asks_for_a_heartbeat_once() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let due: Vec<u32> =
            (0..100).filter(|_| bob.decrypt(&alice.write("and")).unwrap().answer_due.is_some()).collect();
        assert_eq!(due, [53]);
        let (empty, iv) = PayloadKey::empty(protocol, &mut bob.rng);
        let heartbeat = bob.peer.encrypt(&bob.device, &empty, &mut bob.rng).unwrap();
        assert_eq!(iv.is_some(), protocol == BOTH[0]);
        let decrypted = alice.peer.decrypt(&mut alice.device, heartbeat.key_exchange, &heartbeat.bytes).unwrap();
        assert_eq!(decrypted.answer_due, None);
        assert_eq!(bob.decrypt(&alice.write("so on")).unwrap().answer_due, None);
    }
}

#[test]
fn more_lost_messages_than_the_limit_break_the_session_and_the_error_says_why() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        for _ in 0..SKIPPED_PER_MESSAGE_MAX {
            alice.write("lost");
        }
        let (last, beyond) = (alice.write("just read"), alice.write("and the next"));
        let mut without = bob.clone();
        assert_eq!(without.read(&beyond), Err(Error::TooFarAhead));
        assert_eq!(Error::TooFarAhead.remedy(), Remedy::OfferReplacement);
        assert_eq!(bob.read(&last).unwrap(), "just read");
        assert_eq!(bob.read(&beyond).unwrap(), "and the next");
    }
}

#[test]
fn of_skipped_keys_the_oldest_go_when_a_session_has_too_many() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let first = alice.write("skipped first");
        (0..699).for_each(|_| _ = alice.write("lost"));
        bob.read(&alice.write("700 later")).unwrap();
        (0..699).for_each(|_| _ = alice.write("lost"));
        let last = alice.write("skipped last");
        bob.read(&alice.write("1400 later")).unwrap();
        bob.restart();
        // Too old to be told from one that was read.
        assert_eq!(bob.read(&first), Err(Error::Duplicate));
        assert_eq!(bob.read(&last).unwrap(), "skipped last");
    }
}

#[test]
fn all_sessions_with_a_device_share_one_bound_of_skipped_keys_and_the_state_stays_readable() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        for session in 0..SESSIONS_PER_PEER_MAX + 2 {
            alice.start(&bob.bundle());
            (0..999).for_each(|_| _ = alice.write("lost"));
            let sent = alice.write(&format!("session {session}"));
            assert_eq!(bob.read(&sent).unwrap(), sent.text);
            alice.read(&bob.write("answer")).unwrap();
            bob.restart();
        }
        assert!(bob.peer.to_bytes().len() < 100 * 1024);
    }
}

#[test]
fn old_sessions_are_dropped_and_the_newest_goes_on() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let old = alice.write("on the first session");
        for _ in 0..SESSIONS_PER_PEER_MAX {
            alice.start(&bob.bundle());
            bob.read(&alice.write("anew")).unwrap();
            alice.read(&bob.write("well")).unwrap();
        }
        assert_eq!(bob.read(&old), Err(Error::Unauthentic));
        assert_eq!(bob.read(&alice.write("on the last one")).unwrap(), "on the last one");
    }
}

#[test]
fn chains_that_are_long_over_are_forgotten_with_what_they_skipped() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let late = alice.write("late");
        bob.read(&alice.write("in time")).unwrap();
        for _ in 0..PAST_CHAINS_MAX + 1 {
            alice.read(&bob.write("pong")).unwrap();
            bob.read(&alice.write("ping")).unwrap();
        }
        assert_eq!(bob.read(&late), Err(Error::Unauthentic));
        assert!(bob.peer.to_bytes().len() < 6000, "{}", bob.peer.to_bytes().len());
    }
}
