//! HT-SHA-256-*: proof that one holds a token, in one message each way (draft-schmaus-kitten-sasl-ht). These are the
//! mechanisms of FAST (XEP-0484).
//!
//! The client sends its name, NUL and `HMAC(token, "Initiator" || binding)`, the server answers with
//! `HMAC(token, "Responder" || binding)`. Whoever overhears one may repeat it on a channel with the same binding, so
//! the exchange belongs inside TLS.

use jid::{BareJid, DomainRef};

use super::channel_binding::{ChannelBindingType, ChannelBindings};
use super::failure::Failure;
use super::hash::{self, Hash};
use super::identity;
use super::limits::MESSAGE_BYTES_MAX;

/// A mechanism that takes a token; a token serves the one it was issued for only (XEP-0484 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenMechanism {
    /// Bound to the connection's keys.
    Exporter,
    /// Bound to the server's certificate.
    EndPoint,
    /// Bound to nothing, for clients that cannot see their TLS connection, such as those in a browser.
    Unbound,
}

impl TokenMechanism {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::Unbound];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exporter => "HT-SHA-256-EXPR",
            Self::EndPoint => "HT-SHA-256-ENDP",
            Self::Unbound => "HT-SHA-256-NONE",
        }
    }

    /// The mechanism of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Those that a connection with these bindings can run, best first.
    pub fn on(bindings: &ChannelBindings) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|mechanism| mechanism.bound_bytes(bindings).is_some())
    }

    /// What the proof is bound to on a connection with these bindings; None where the mechanism cannot be used.
    pub fn bound_bytes(self, bindings: &ChannelBindings) -> Option<&[u8]> {
        match self {
            Self::Exporter => bindings.value(ChannelBindingType::TlsExporter),
            Self::EndPoint => bindings.value(ChannelBindingType::TlsServerEndPoint),
            Self::Unbound => Some(&[]),
        }
    }
}

/// A claim: this account, with a token that is known by its proof. Check it with [`Claim::is_proved_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who the client says it is.
    pub account: BareJid,
    proof: Vec<u8>,
}

/// Takes the client's message apart. `domain` is the host the stream was opened to.
///
/// # Errors
/// `malformed-request` for broken syntax or length, `not-authorized` for a name that no account can have.
pub fn parse(message: &[u8], domain: &DomainRef) -> Result<Claim, Failure> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Failure::malformed("the message is too long"));
    }
    // The proof may contain NUL, the name cannot.
    let mut fields = message.splitn(2, |byte| *byte == 0);
    let (Some(name), Some(proof)) = (fields.next(), fields.next()) else {
        return Err(Failure::malformed("the message is not a name and a proof"));
    };
    if proof.len() != Hash::Sha256.output_bytes() {
        return Err(Failure::malformed("the proof is not as long as its hash"));
    }
    let name = std::str::from_utf8(name).map_err(|_| Failure::malformed("the name is not UTF-8"))?;
    Ok(Claim { account: identity::account(None, name, domain)?, proof: proof.to_vec() })
}

impl Claim {
    /// Whether the proof is that of `token` on the channel with those bound bytes.
    pub fn is_proved_by(&self, token: &str, bound: &[u8]) -> bool {
        hash::equal(&self.proof, &proof("Initiator", token, bound))
    }
}

/// The client's message.
pub fn encode(username: &str, token: &str, bound: &[u8]) -> Vec<u8> {
    [username.as_bytes(), b"\0", &proof("Initiator", token, bound)].concat()
}

/// The server's own proof, for its success.
pub fn answer(token: &str, bound: &[u8]) -> Vec<u8> {
    proof("Responder", token, bound)
}

fn proof(role: &str, token: &str, bound: &[u8]) -> Vec<u8> {
    Hash::Sha256.hmac(token.as_bytes(), &[role.as_bytes(), bound].concat())
}

#[cfg(test)]
mod tests {
    use jid::DomainPart;

    use super::*;
    use crate::sasl::Condition;

    fn read(message: &[u8]) -> Result<Claim, Failure> {
        parse(message, &DomainPart::new("example.org").unwrap())
    }

    #[test]
    fn a_token_proves_itself_on_its_own_channel_only() {
        let claim = read(&encode("alice", "secret", b"channel")).unwrap();
        assert_eq!(claim.account.as_str(), "alice@example.org");
        assert!(claim.is_proved_by("secret", b"channel"));
        assert!(!claim.is_proved_by("secret", b"other channel"));
        assert!(!claim.is_proved_by("secret", b""));
        assert!(!claim.is_proved_by("Secret", b"channel"));
        assert_ne!(answer("secret", b"channel"), proof("Initiator", "secret", b"channel"));
    }

    #[test]
    fn what_is_no_name_and_proof_is_refused() {
        let refusal = |message: &[u8]| read(message).unwrap_err().condition;
        let proof = [7; 32];
        assert_eq!(refusal(b""), Condition::MalformedRequest);
        assert_eq!(refusal(b"alice"), Condition::MalformedRequest);
        assert_eq!(refusal(b"alice\0short"), Condition::MalformedRequest);
        assert_eq!(refusal(&[b"\0".as_slice(), &proof].concat()), Condition::MalformedRequest);
        assert_eq!(refusal(&[b"\xff\0".as_slice(), &proof].concat()), Condition::MalformedRequest);
        assert_eq!(refusal(&[b"a@b\0".as_slice(), &proof].concat()), Condition::NotAuthorized);
        assert_eq!(refusal(&vec![b'x'; MESSAGE_BYTES_MAX + 1]), Condition::MalformedRequest);
        assert!(read(&[b"alice\0".as_slice(), &[0; 32]].concat()).is_ok());
    }

    #[test]
    fn only_what_the_connection_can_be_bound_to_is_offered() {
        let names =
            |bindings: &ChannelBindings| TokenMechanism::on(bindings).map(TokenMechanism::name).collect::<Vec<_>>();
        assert_eq!(names(&ChannelBindings::default()), ["HT-SHA-256-NONE"]);
        let all = ChannelBindings { tls_exporter: Some([1; 32]), tls_server_end_point: Some(vec![2]) };
        assert_eq!(names(&all), ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"]);
        for mechanism in TokenMechanism::ALL {
            assert_eq!(TokenMechanism::by_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(TokenMechanism::by_name("HT-SHA-256-UNIQ"), None);
    }
}
