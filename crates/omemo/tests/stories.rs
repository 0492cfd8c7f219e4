//! What happens between two devices, in both namespaces.

mod people;

use omemo::limits::PREKEYS;
use omemo::{Answer, Bundle, BundleParts, Error, Peer, Remedy};
use people::{BOTH, Person, friends, strangers};

#[test]
fn a_session_starts_with_the_first_message_and_the_answer_ends_the_key_exchange() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        alice.start(&bob.bundle());
        let first = alice.write("one");
        let second = alice.write("two");
        assert!(first.key.key_exchange && second.key.key_exchange && alice.peer.is_unanswered());

        let decrypted = bob.decrypt(&first).unwrap();
        assert!(decrypted.session_started);
        assert_eq!(decrypted.answer_due, Some(Answer::SessionStarted));
        assert_eq!(decrypted.identity.fingerprint(), alice.fingerprint());
        let decrypted = bob.decrypt(&second).unwrap();
        assert!(!decrypted.session_started);
        assert_eq!(decrypted.answer_due, None);

        let answer = bob.write("three");
        assert!(!answer.key.key_exchange);
        assert_eq!(alice.read(&answer).unwrap(), "three");
        assert!(!alice.peer.is_unanswered());
        let fourth = alice.write("four");
        assert!(!fourth.key.key_exchange);
        assert_eq!(bob.read(&fourth).unwrap(), "four");
    }
}

#[test]
fn a_session_starts_though_its_first_messages_are_lost_or_late() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        alice.start(&bob.bundle());
        let sent: Vec<_> = ["lost", "late", "first to arrive"].map(|text| alice.write(text)).into();
        assert_eq!(bob.read(&sent[2]).unwrap(), "first to arrive");
        assert_eq!(bob.read(&sent[1]).unwrap(), "late");
        assert_eq!(bob.device.prekeys_left(), PREKEYS - 1);
    }
}

#[test]
fn both_start_at_the_same_time_and_end_on_one_session() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        alice.start(&bob.bundle());
        bob.start(&alice.bundle());
        let (from_alice, from_bob) = (alice.write("from Alice"), bob.write("from Bob"));
        assert_eq!(bob.read(&from_alice).unwrap(), "from Alice");
        assert_eq!(alice.read(&from_bob).unwrap(), "from Bob");
        // They may cross once more.
        let (from_alice, from_bob) = (alice.write("again Alice"), bob.write("again Bob"));
        assert_eq!(alice.read(&from_bob).unwrap(), "again Bob");
        assert_eq!(bob.read(&from_alice).unwrap(), "again Alice");
        for round in 0..5 {
            let sent = alice.write(&format!("ping {round}"));
            assert!(!sent.key.key_exchange);
            assert_eq!(bob.read(&sent).unwrap(), sent.text);
            let sent = bob.write(&format!("pong {round}"));
            assert_eq!(alice.read(&sent).unwrap(), sent.text);
        }
    }
}

#[test]
fn a_message_that_comes_twice_is_ignored_for_as_long_as_its_chain_is_remembered() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        alice.start(&bob.bundle());
        let first = alice.write("first");
        bob.read(&first).unwrap();
        for round in 0..30 {
            let sent = bob.write("pong");
            alice.read(&sent).unwrap();
            assert_eq!(alice.read(&sent), Err(Error::Duplicate), "{round}");
            let sent = alice.write("ping");
            bob.read(&sent).unwrap();
        }
        assert_eq!(bob.read(&first), Err(Error::Duplicate));
        assert_eq!(Error::Duplicate.remedy(), Remedy::Ignore);
    }
}

#[test]
fn a_one_time_prekey_starts_one_session() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        let mut parts = bob.device.bundle().unwrap();
        parts.prekeys.truncate(1);
        let bundle = Bundle::verify(protocol, &parts).unwrap();
        alice.start(&bundle);
        bob.read(&alice.write("one")).unwrap();
        let mut carol = Person::new(protocol, 3);
        carol.start(&bundle);
        let mut bob_and_carol = Person { peer: Peer::new(protocol), ..bob };
        assert_eq!(bob_and_carol.read(&carol.write("two")), Err(Error::UnknownPrekey(1)));
        assert_eq!(Error::UnknownPrekey(1).remedy(), Remedy::OfferReplacement);
    }
}

#[test]
fn while_catching_up_a_prekey_starts_as_many_sessions_as_used_it() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        let mut carol = Person::new(protocol, 3);
        let mut parts = bob.device.bundle().unwrap();
        parts.prekeys.truncate(1);
        let bundle = Bundle::verify(protocol, &parts).unwrap();
        alice.start(&bundle);
        carol.start(&bundle);
        bob.device.begin_catch_up();
        bob.read(&alice.write("from Alice")).unwrap();
        assert_eq!(bob.device.prekeys_left(), PREKEYS - 1, "it left the bundle at once");
        bob.restart();
        let mut bob_and_carol = Person { peer: Peer::new(protocol), ..bob };
        assert_eq!(bob_and_carol.read(&carol.write("from Carol")).unwrap(), "from Carol");
        bob_and_carol.device.end_catch_up();
        let mut dave = Person::new(protocol, 4);
        dave.start(&bundle);
        bob_and_carol.peer = Peer::new(protocol);
        assert_eq!(bob_and_carol.read(&dave.write("from Dave")), Err(Error::UnknownPrekey(1)));
    }
}

#[test]
fn a_signed_prekey_works_until_the_second_rotation() {
    for protocol in BOTH {
        let (alice, mut bob) = strangers(protocol);
        let old = bob.bundle();
        let write = |bob: &Person| {
            let mut alice = alice.clone();
            alice.start(&old);
            let mut bob = bob.clone();
            bob.read(&alice.write("to the old bundle"))
        };
        bob.device.rotate_signed_prekey(&mut bob.rng);
        bob.restart();
        assert!(write(&bob).is_ok());
        bob.device.rotate_signed_prekey(&mut bob.rng);
        assert_eq!(write(&bob), Err(Error::UnknownSignedPrekey(1)));
    }
}

#[test]
fn a_bundle_with_a_wrong_signature_or_without_prekeys_is_refused() {
    for protocol in BOTH {
        let good = Person::new(protocol, 1).device.bundle().unwrap();
        let other = Person::new(protocol, 2).device.bundle().unwrap();
        let verify = |parts: BundleParts| Bundle::verify(protocol, &parts).map(|_| ()).unwrap_err();
        assert_eq!(verify(BundleParts { identity: other.identity, ..good.clone() }), Error::BadSignature);
        assert_eq!(verify(BundleParts { signed_prekey: other.signed_prekey, ..good.clone() }), Error::BadSignature);
        assert_eq!(verify(BundleParts { signature: Vec::new(), ..good.clone() }), Error::BadSignature);
        assert_eq!(verify(BundleParts { prekeys: Vec::new(), ..good.clone() }), Error::NoPrekeys);
        assert_eq!(verify(BundleParts { prekeys: vec![(1, vec![1; 5])], ..good.clone() }), Error::NoPrekeys);
        assert_eq!(verify(BundleParts { identity: vec![1], ..good.clone() }), Error::Malformed("identity key"));
        assert_eq!(verify(BundleParts { signed_prekey: vec![1], ..good }), Error::Malformed("signed prekey"));
    }
}

#[test]
fn a_device_that_comes_with_another_identity_is_not_taken_for_the_old_one() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let mut mallory = Person::new(protocol, 66);
        mallory.start(&bob.bundle());
        assert_eq!(bob.read(&mallory.write("It is me, Alice")), Err(Error::IdentityChanged));
        assert_eq!(Error::IdentityChanged.remedy(), Remedy::VerifyIdentity);
        let bundle = mallory.bundle();
        assert_eq!(alice.peer.start(&alice.device, &bundle, &mut alice.rng), Err(Error::IdentityChanged));
        assert_eq!(bob.read(&alice.write("still Alice")).unwrap(), "still Alice");
    }
}

#[test]
fn who_restored_an_old_state_is_told_and_a_replaced_session_heals_it() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let backup = bob.clone();
        for _ in 0..3 {
            bob.read(&alice.write("ping")).unwrap();
            alice.read(&bob.write("pong")).unwrap();
        }
        bob = backup;
        let error = bob.read(&alice.write("do you read me?")).unwrap_err();
        assert_eq!((error, error.remedy()), (Error::Unauthentic, Remedy::OfferReplacement));

        bob.start(&alice.bundle());
        assert_eq!(alice.read(&bob.write("anew")).unwrap(), "anew");
        assert_eq!(bob.read(&alice.write("healed")).unwrap(), "healed");
    }
}

#[test]
fn a_message_without_a_session_says_so() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        bob.peer = Peer::new(protocol);
        let error = bob.read(&alice.write("hello?")).unwrap_err();
        assert_eq!((error, error.remedy()), (Error::NoSession, Remedy::StartSession));
    }
}

#[test]
fn no_bit_of_a_message_can_be_changed() {
    for protocol in BOTH {
        let (mut alice, mut bob) = strangers(protocol);
        alice.start(&bob.bundle());
        let first = alice.write("first");
        for bit in (0..first.key.bytes.len() * 8).step_by(7) {
            let mut changed = first.clone();
            changed.key.bytes[bit / 8] ^= 1 << (bit % 8);
            // What is outside of what the MAC covers (the number of our own device) may differ.
            if let Ok(text) = bob.clone().read(&changed) {
                assert_eq!(text, "first");
            }
        }
        bob.read(&first).unwrap();
        alice.read(&bob.write("answer")).unwrap();
        let second = alice.write("second");
        for bit in 0..second.key.bytes.len() * 8 {
            let mut changed = second.clone();
            changed.key.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(bob.read(&changed).is_err(), "{protocol:?} bit {bit}");
        }
        assert_eq!(bob.read(&second).unwrap(), "second");
    }
}

#[test]
fn an_old_stolen_state_opens_nothing_new_after_both_have_moved_on() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let mut thief = bob.clone();
        // What is in the chain that the thief knows is open to it; then both take a step.
        bob.read(&alice.write("old chain")).unwrap();
        alice.read(&bob.write("a new key of Bob's")).unwrap();
        bob.read(&alice.write("a new key of Alice's")).unwrap();
        alice.read(&bob.write("another")).unwrap();
        for round in 0..5 {
            let secret = alice.write(&format!("secret {round}"));
            assert!(thief.read(&secret).is_err());
            bob.read(&secret).unwrap();
            alice.read(&bob.write("noted")).unwrap();
        }
    }
}

#[test]
fn a_read_message_cannot_be_read_from_a_state_stolen_later() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let sent: Vec<_> = (0..3).map(|n| alice.write(&format!("message {n}"))).collect();
        sent.iter().for_each(|sent| _ = bob.read(sent).unwrap());
        let mut thief = bob;
        sent.iter().for_each(|sent| assert_eq!(thief.read(sent), Err(Error::Duplicate)));
    }
}

#[test]
fn the_last_message_of_a_chain_may_be_late_whichever_way_its_sender_counts() {
    for protocol in BOTH {
        let (mut alice, mut bob) = friends(protocol);
        let late: Vec<_> = (0..3).map(|n| alice.write(&format!("late {n}"))).collect();
        alice.read(&bob.write("a turn")).unwrap();
        bob.read(&alice.write("a new chain")).unwrap();
        for sent in late.iter().rev() {
            assert_eq!(bob.read(sent).unwrap(), sent.text);
        }
    }
}

#[test]
fn devices_and_peers_of_different_namespaces_do_not_mix() {
    let (alice, mut bob) = (Person::new(BOTH[0], 1), Person::new(BOTH[1], 2));
    let bundle = alice.bundle();
    assert_eq!(bob.peer.start(&bob.device, &bundle, &mut bob.rng), Err(Error::WrongProtocol));
    let mut peer = Peer::new(BOTH[0]);
    assert!(matches!(peer.decrypt(&mut bob.device, false, b""), Err(Error::WrongProtocol)));
}

#[test]
fn debug_output_shows_no_secret() {
    let (alice, _) = friends(BOTH[1]);
    let shown = format!("{:?} {:?}", alice.device, alice.peer);
    let state = alice.device.to_bytes();
    // The identity's private key follows kind, version, namespace and id.
    let private = format!("{:?}", &state[7..39]);
    assert!(shown.contains("Secret") && !shown.contains(private.trim_matches(['[', ']'])));
}
