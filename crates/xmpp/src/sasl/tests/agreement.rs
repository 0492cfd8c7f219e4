//! Client and server, talking to each other.

use proptest::prelude::*;

use super::*;
use crate::sasl::scram::Authenticated;
use crate::sasl::scram_client::{self, ClientError};
use crate::sasl::{Condition, Failure, Mechanism, scram};

const SCRAM: [Mechanism; 4] =
    [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::ScramSha1Plus, Mechanism::ScramSha1];

/// One exchange, and what stands between the two.
struct Exchange {
    mechanism: Mechanism,
    username: &'static str,
    typed: String,
    keys: ScramKeys,
    client_bindings: ChannelBindings,
    server_bindings: ChannelBindings,
    server_offer: Offer,
    /// What reached the client of the server's offer.
    seen_offer: Offer,
}

impl Exchange {
    fn new(mechanism: Mechanism, typed: &str, stored: &str) -> Self {
        let bindings = bindings();
        let offer = Offer::of_server(&bindings, true);
        Self {
            mechanism,
            username: "romeo",
            typed: typed.to_owned(),
            keys: keys(mechanism.hash().unwrap(), stored),
            client_bindings: bindings.clone(),
            server_bindings: bindings,
            server_offer: offer.clone(),
            seen_offer: offer,
        }
    }

    /// `Ok` when both sides are content; the client's error wins.
    fn run(self) -> Result<Result<Authenticated, Failure>, ClientError> {
        let domain = domain();
        let (first, client) = scram_client::start(
            self.mechanism,
            self.username,
            password(&self.typed),
            &self.seen_offer,
            &self.client_bindings,
            [1; 18],
        )?;
        let channel = channel(&domain, &self.server_offer, &self.server_bindings);
        let server = match scram::start(self.mechanism, &first, &channel, [2; 18]) {
            Ok(server) => server,
            Err(failure) => return Ok(Err(failure)),
        };
        let (challenge, server) = server.with_keys(self.keys).unwrap();
        let (response, client) = client.respond(&challenge)?;
        match server.finish(&response) {
            Ok(authenticated) => {
                client.finish(&authenticated.server_final)?;
                Ok(Ok(authenticated))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn refusal(self) -> Condition {
        self.run().expect("the client is content").expect_err("the server refuses").condition
    }
}

#[test]
fn every_mechanism_ends_in_success_on_both_sides() {
    for mechanism in SCRAM {
        let authenticated = Exchange::new(mechanism, "s3cret", "s3cret").run().unwrap().unwrap();
        assert_eq!(authenticated.account.to_string(), "romeo@example.org");
    }
}

#[test]
fn names_with_commas_and_equals_signs_survive_the_way() {
    let exchange = Exchange { username: "a=b,c=2Cd", ..Exchange::new(Mechanism::ScramSha256, "s3cret", "s3cret") };
    let authenticated = exchange.run().unwrap().unwrap();
    assert_eq!(authenticated.account.to_string(), "a=b,c=2cd@example.org");
}

#[test]
fn made_up_keys_are_stable_differ_by_account_and_never_open() {
    let romeo = jid::BareJid::new("romeo@example.org").unwrap();
    let juliet = jid::BareJid::new("juliet@example.org").unwrap();
    for mechanism in SCRAM {
        let hash = mechanism.hash().unwrap();
        let fake = ScramKeys::fake(b"sixteen or more bytes", &romeo, hash, ITERATIONS);
        assert_eq!(fake, ScramKeys::fake(b"sixteen or more bytes", &romeo, hash, ITERATIONS));
        assert_ne!(fake.salt, ScramKeys::fake(b"sixteen or more bytes", &juliet, hash, ITERATIONS).salt);
        assert_ne!(fake.salt, ScramKeys::fake(b"another secret of ours", &romeo, hash, ITERATIONS).salt);
        let real = keys(hash, "s3cret");
        assert_eq!(
            (fake.salt.len(), fake.stored_key.len(), fake.server_key.len()),
            (real.salt.len(), real.stored_key.len(), real.server_key.len())
        );

        let unknown = Exchange { keys: fake, ..Exchange::new(mechanism, "s3cret", "-") };
        let wrong = Exchange::new(mechanism, "s3cret", "other");
        assert_eq!(unknown.run().unwrap(), wrong.run().unwrap());
    }
}

#[test]
fn a_man_in_the_middle_has_another_channel_and_fails() {
    for mechanism in [Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus] {
        let theirs = ChannelBindings { tls_exporter: Some([8; 32]), ..bindings() };
        let exchange = Exchange { client_bindings: theirs, ..Exchange::new(mechanism, "s3cret", "s3cret") };
        assert_eq!(exchange.refusal(), Condition::NotAuthorized);
    }
}

#[test]
fn a_server_end_point_binding_is_used_when_it_is_all_there_is() {
    let weaker = ChannelBindings { tls_exporter: None, ..bindings() };
    let exchange =
        Exchange { client_bindings: weaker, ..Exchange::new(Mechanism::ScramSha256Plus, "s3cret", "s3cret") };
    assert!(exchange.run().unwrap().is_ok());
}

#[test]
fn stripping_the_plus_mechanisms_is_noticed_by_the_server() {
    let exchange = Exchange {
        seen_offer: Offer::of_server(&no_bindings(), true),
        ..Exchange::new(Mechanism::ScramSha256, "s3cret", "s3cret")
    };
    assert_eq!(exchange.refusal(), Condition::NotAuthorized);
}

#[test]
fn stripping_any_entry_is_noticed_by_the_client() {
    let whole = Offer::of_server(&bindings(), true);
    let without = |list: &[String], index: usize| {
        let mut list = list.to_vec();
        list.remove(index);
        list
    };
    let weaker_mechanism =
        Offer { mechanisms: without(&whole.mechanisms, 0), channel_bindings: whole.channel_bindings.clone() };
    let weaker_binding =
        Offer { mechanisms: whole.mechanisms.clone(), channel_bindings: without(&whole.channel_bindings, 0) };
    for seen_offer in [weaker_mechanism, weaker_binding] {
        let exchange = Exchange { seen_offer, ..Exchange::new(Mechanism::ScramSha1Plus, "s3cret", "s3cret") };
        assert_eq!(exchange.run(), Err(ClientError::Downgraded));
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_recognised() {
    let bindings = no_bindings();
    let offer = Offer::default();
    let (_, client) =
        scram_client::begin(Mechanism::ScramSha256, "romeo", password("s3cret"), &offer, &bindings, "abc".to_owned())
            .unwrap();
    let (_, client) = client.respond(b"r=abcdef,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
    assert_eq!(client.finish(b"v=AAAA"), Err(ClientError::ServerNotProven));
}

#[test]
fn a_client_refuses_challenges_that_weaken_or_stall_it() {
    let respond = |challenge: &str| {
        let (_, client) = scram_client::begin(
            Mechanism::ScramSha256,
            "romeo",
            password("s3cret"),
            &Offer::default(),
            &no_bindings(),
            "abc".to_owned(),
        )
        .unwrap();
        client.respond(challenge.as_bytes()).map(|_| ()).unwrap_err()
    };
    assert_eq!(respond("r=abcdef,s=QSXC,i=1"), ClientError::Iterations(1));
    assert_eq!(respond("r=abcdef,s=QSXC,i=4000000000"), ClientError::Iterations(4_000_000_000));
    for malformed in [
        "r=abc,s=QSXC,i=4096",
        "r=xyzdef,s=QSXC,i=4096",
        "r=abcdef,s=QSXC",
        "r=abcdef,s=QSXC,i=many",
        "r=abcdef,s=?,i=4096",
        "m=x,r=abcdef,s=QSXC,i=4096",
        "e=other-error",
        "",
    ] {
        assert!(matches!(respond(malformed), ClientError::Malformed(_)), "{malformed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_right_password_always_works_and_a_wrong_one_never(
        typed in "[ -~äßéЖ中]{1,40}",
        other in "[ -~äßéЖ中]{1,40}",
        mechanism in 0..4usize,
    ) {
        let mechanism = SCRAM[mechanism];
        prop_assert!(Exchange::new(mechanism, &typed, &typed).run().unwrap().is_ok());
        prop_assume!(password(&typed) != password(&other));
        prop_assert_eq!(Exchange::new(mechanism, &typed, &other).refusal(), Condition::NotAuthorized);
    }
}
