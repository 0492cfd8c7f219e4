//! What holds whatever the network does: each message is read once, by whom it was for, and a failure changes nothing.
#![allow(clippy::indexing_slicing, reason = "tests")]

mod people;

use omemo::{Error, Protocol};
use people::{Person, Sent, friends, strangers};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Write {
        alice: bool,
    },
    /// Delivers one of what is under way; it may come again.
    Deliver {
        to_alice: bool,
        which: usize,
        again: bool,
    },
    Lose {
        to_alice: bool,
        which: usize,
    },
    Restart {
        alice: bool,
    },
    /// The user replaces a session, or both had started one.
    Start {
        alice: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any::<bool>().prop_map(|alice| Event::Write { alice }),
        6 => (any::<bool>(), any::<usize>(), any::<bool>())
            .prop_map(|(to_alice, which, again)| Event::Deliver { to_alice, which, again }),
        1 => (any::<bool>(), any::<usize>()).prop_map(|(to_alice, which)| Event::Lose { to_alice, which }),
        1 => any::<bool>().prop_map(|alice| Event::Restart { alice }),
        1 => any::<bool>().prop_map(|alice| Event::Start { alice }),
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Axolotl), Just(Protocol::Omemo2)]
}

/// One direction: what is under way, and what has been read.
#[derive(Default)]
struct Way {
    under_way: Vec<Sent>,
    read: Vec<Sent>,
}

impl Way {
    fn deliver(&mut self, to: &mut Person, which: usize, again: bool) {
        if again && !self.read.is_empty() {
            let sent = &self.read[which % self.read.len()];
            assert_eq!(to.read(sent), Err(Error::Duplicate));
        } else if !self.under_way.is_empty() {
            let at = which % self.under_way.len();
            let sent = self.under_way.remove(at);
            assert_eq!(to.read(&sent).as_deref(), Ok(sent.text.as_str()));
            self.read.push(sent);
        }
    }

    fn lose(&mut self, which: usize) {
        if !self.under_way.is_empty() {
            let at = which % self.under_way.len();
            self.under_way.swap_remove(at);
        }
    }
}

/// Plays the events. `starts` is how many new sessions may be started: fewer than are kept.
fn play(alice: &mut Person, bob: &mut Person, events: &[Event], mut starts: usize) {
    let (mut to_alice, mut to_bob) = (Way::default(), Way::default());
    for (number, event) in events.iter().enumerate() {
        match *event {
            Event::Write { alice: true } if alice.peer.has_session() => {
                to_bob.under_way.push(alice.write(&format!("Alice {number}")));
            }
            Event::Write { alice: false } if bob.peer.has_session() => {
                to_alice.under_way.push(bob.write(&format!("Bob {number}")));
            }
            Event::Write { .. } => {}
            Event::Deliver { to_alice: true, which, again } => to_alice.deliver(alice, which, again),
            Event::Deliver { to_alice: false, which, again } => to_bob.deliver(bob, which, again),
            Event::Lose { to_alice: true, which } => to_alice.lose(which),
            Event::Lose { to_alice: false, which } => to_bob.lose(which),
            Event::Restart { alice: true } => alice.restart(),
            Event::Restart { alice: false } => bob.restart(),
            Event::Start { .. } if starts == 0 => {}
            Event::Start { alice: true } => {
                starts -= 1;
                alice.start(&bob.bundle());
            }
            Event::Start { alice: false } => {
                starts -= 1;
                bob.start(&alice.bundle());
            }
        }
    }
    // In the end all that was not lost arrives, the latest first.
    while !to_alice.under_way.is_empty() {
        to_alice.deliver(alice, usize::MAX, false);
    }
    while !to_bob.under_way.is_empty() {
        to_bob.deliver(bob, usize::MAX, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn each_message_is_read_once_whatever_is_lost_doubled_or_reordered(
        protocol in protocol(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let (mut alice, mut bob) = friends(protocol);
        play(&mut alice, &mut bob, &events, 0);
    }

    #[test]
    fn the_same_holds_while_sessions_are_started_by_both_sides(
        protocol in protocol(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let (mut alice, mut bob) = strangers(protocol);
        // Two sessions may use the same prekey before the first arrives.
        alice.device.begin_catch_up();
        bob.device.begin_catch_up();
        alice.start(&bob.bundle());
        play(&mut alice, &mut bob, &events, 6);
    }

    #[test]
    fn a_state_stolen_at_any_time_opens_nothing_new_after_a_step_by_both(
        protocol in protocol(),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let (mut alice, mut bob) = friends(protocol);
        play(&mut alice, &mut bob, &events, 0);
        let mut thief = bob.clone();
        for _ in 0..2 {
            let sent = alice.write("step");
            prop_assert!(bob.read(&sent).is_ok());
            let sent = bob.write("step");
            prop_assert!(alice.read(&sent).is_ok());
        }
        let secret = alice.write("secret");
        prop_assert!(thief.read(&secret).is_err());
        prop_assert!(bob.read(&secret).is_ok());
    }

    #[test]
    fn bytes_of_any_kind_change_nothing(
        protocol in protocol(),
        key_exchange in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut alice, _) = friends(protocol);
        let key = omemo::EncryptedKey { bytes, key_exchange };
        let sent = Sent { text: String::new(), key, iv: None, ciphertext: Vec::new() };
        prop_assert!(alice.decrypt(&sent).is_err());
    }
}
