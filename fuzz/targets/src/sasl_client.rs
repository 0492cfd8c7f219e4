//! The client's end of SCRAM: no bytes of a server panic, and none convince it but those of one that knows the password.

use xmpp::sasl::scram_client::{self, ClientError};
use xmpp::sasl::{ChannelBindings, Mechanism, Offer, Password};

use crate::words;

/// The most PBKDF2 iterations that an input may ask for: more cost time and try nothing new.
const ITERATIONS_TRIED_MAX: u32 = 5000;

/// The input is a byte that chooses the mechanism, then the server's lists, its challenge and its last message.
///
/// In the challenge `@` stands for the client's nonce, which a challenge must begin with.
pub fn run(input: &[u8]) {
    let Some((choice, messages)) = input.split_first() else { return };
    let [mechanisms, binding_types, challenge, last] = words::split(messages);
    let names =
        |list: &[u8]| -> Vec<String> { String::from_utf8_lossy(list).split_whitespace().map(str::to_owned).collect() };
    let offer = Offer { mechanisms: names(mechanisms), channel_bindings: names(binding_types) };
    let bindings = match choice & 0x80 {
        0 => ChannelBindings::default(),
        _ => ChannelBindings { tls_exporter: Some([7; 32]), tls_server_end_point: Some(vec![9; 32]) },
    };
    if let Ok(chosen) = scram_client::choose(&offer, &bindings, choice & 0x40 != 0) {
        assert!(offer.contains(chosen), "a mechanism was chosen that is not on offer");
        assert!(chosen != Mechanism::Plain || choice & 0x40 != 0, "the password would be sent in the clear");
    }

    let mechanism = Mechanism::ALL[usize::from(choice % 5)];
    let password = Password::prepare("pencil").unwrap();
    let started = scram_client::start(mechanism, "user,=", password, &offer, &bindings, [0; 18]);
    let Ok((first, waiting)) = started else { return };
    let first = String::from_utf8(first).expect("a message is text");
    let (_, nonce) = first.split_once(",r=").expect("a first message has a nonce");

    let challenge = challenge.iter().fold(Vec::new(), |mut out, byte| {
        match byte {
            b'@' => out.extend_from_slice(nonce.as_bytes()),
            byte => out.push(*byte),
        }
        out
    });
    if asks_for_much(&challenge) {
        return;
    }
    let Ok((answer, waiting)) = waiting.respond(&challenge) else { return };
    assert!(answer.starts_with(b"c="));
    match waiting.finish(last) {
        Err(ClientError::ServerNotProven | ClientError::Malformed(_) | ClientError::Refused(_)) => {}
        other => panic!("a server that does not know the password: {other:?}"),
    }
}

fn asks_for_much(challenge: &[u8]) -> bool {
    let text = String::from_utf8_lossy(challenge);
    let counts = text.split(',').filter_map(|attribute| attribute.strip_prefix("i=")?.parse::<u32>().ok());
    counts.into_iter().any(|count| count > ITERATIONS_TRIED_MAX)
}
