//! The server's end of SASL: no bytes of a client panic, and none but the right password or token lets it in.

use std::num::NonZeroU32;
use std::sync::OnceLock;

use jid::{DomainPart, DomainRef};
use xmpp::sasl::{ChannelBindings, Hash, Mechanism, Offer, Password, ScramKeys, hashed_token, payload, plain, scram};

use crate::words;

const DOMAIN: &str = "example.org";
/// Not part of any seed, and too long to be guessed.
const PASSWORD: &str = "xK7-not-in-the-corpus-2vQ";
/// Few: the strength of the keys is not what is tried here.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(1).unwrap();

/// The input is a byte that chooses the mechanism, then the client's first message and its last.
pub fn run(input: &[u8]) {
    let Some((choice, messages)) = input.split_first() else { return };
    let domain = DomainPart::new(DOMAIN).unwrap();
    match choice % 7 {
        0 => is_refused_by_plain(messages, &domain),
        1 => {
            if let Ok(claim) = hashed_token::parse(messages, &domain) {
                assert_eq!(claim.account.domain().as_str(), DOMAIN);
                assert!(!claim.is_proved_by(PASSWORD, &[7; 32]), "a token was guessed");
            }
        }
        2 => {
            if let Some(text) = std::str::from_utf8(messages).ok()
                && let Ok(bytes) = payload::decode(text)
            {
                assert_eq!(payload::decode(&payload::encode(&bytes)), Ok(bytes));
            }
        }
        _ => {
            let mechanism = Mechanism::ALL[usize::from(choice % 7) - 3];
            is_refused_by_scram(mechanism, choice & 0x80 != 0, messages, &domain);
        }
    }
}

fn is_refused_by_plain(message: &[u8], domain: &DomainRef) {
    let Ok(claim) = plain::parse(message, domain) else { return };
    assert_eq!(claim.account.domain(), domain);
    assert!(!keys(Hash::Sha256).matches(&claim.password), "a password was guessed");
    // SASLprep is done: what a client makes of the claim is the same claim.
    let name = claim.account.node().expect("an account has a name");
    assert_eq!(plain::parse(&plain::encode(name.as_str(), &claim.password), domain).as_ref(), Ok(&claim));
}

fn is_refused_by_scram(mechanism: Mechanism, has_bindings: bool, messages: &[u8], domain: &DomainRef) {
    let bindings = match has_bindings {
        true => ChannelBindings { tls_exporter: Some([7; 32]), tls_server_end_point: Some(vec![9; 32]) },
        false => ChannelBindings::default(),
    };
    let offer = Offer::of_server(&bindings, false);
    let channel = scram::Channel { domain, offer: &offer, bindings: &bindings };
    let [first, last] = words::split(messages);
    let Ok(waiting) = scram::start(mechanism, first, &channel, [0; 18]) else { return };
    assert_eq!(waiting.account().domain(), domain);
    let hash = waiting.hash();
    let (challenge, waiting) = waiting.with_keys(keys(hash).clone()).expect("the keys are of its hash");
    assert!(std::str::from_utf8(&challenge).is_ok());
    assert!(waiting.finish(last).is_err(), "a proof was guessed");
}

/// Derived once for each hash.
fn keys(hash: Hash) -> &'static ScramKeys {
    static KEYS: OnceLock<[ScramKeys; 2]> = OnceLock::new();
    let password = || Password::prepare(PASSWORD).unwrap();
    let derive = |hash| ScramKeys::derive(hash, &password(), b"0123456789abcdef", ITERATIONS);
    let [sha1, sha256] = KEYS.get_or_init(|| [derive(Hash::Sha1), derive(Hash::Sha256)]);
    match hash {
        Hash::Sha1 => sha1,
        Hash::Sha256 => sha256,
    }
}
