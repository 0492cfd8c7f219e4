//! What the server put on offer, and the hash of it that exposes a tampered list (XEP-0474).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::channel_binding::ChannelBindings;
use super::failure::{Condition, Failure};
use super::hash::Hash;
use super::mechanism::Mechanism;

/// Joins entries of one list. Like [`LIST_SEPARATOR`], a character that XML 1.0 cannot carry.
const ENTRY_SEPARATOR: &str = "\u{1e}";
/// Stands between the mechanisms and the channel-binding types.
const LIST_SEPARATOR: &str = "\u{1f}";

/// The lists that one SASL profile advertised on one stream, names exactly as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Names of the mechanisms, in any order.
    pub mechanisms: Vec<String>,
    /// Names of the channel-binding types (XEP-0440), in any order; empty when none were advertised.
    pub channel_bindings: Vec<String>,
}

impl Offer {
    /// What a server offers on a connection with these bindings: SCRAM always, `-PLUS` when there is
    /// something to bind to, PLAIN when `plain` (the caller allows it inside TLS only).
    pub fn of_server(bindings: &ChannelBindings, plain: bool) -> Self {
        let offered = |mechanism: &Mechanism| match mechanism {
            Mechanism::Plain => plain,
            scram => !scram.is_plus() || !bindings.is_empty(),
        };
        Self {
            mechanisms: Mechanism::ALL
                .into_iter()
                .filter(offered)
                .map(|mechanism| mechanism.name().to_owned())
                .collect(),
            channel_bindings: bindings.types().map(|kind| kind.name().to_owned()).collect(),
        }
    }

    /// The same without SCRAM of a hash, for an account that has no keys for it.
    #[must_use]
    pub fn without(mut self, hash: Hash) -> Self {
        let is_of = |name: &String| name.parse().is_ok_and(|mechanism: Mechanism| mechanism.hash() == Some(hash));
        self.mechanisms.retain(|name| !is_of(name));
        self
    }

    /// Whether the mechanism was advertised.
    pub fn contains(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.iter().any(|name| name == mechanism.name())
    }

    /// The mechanism a client asked for by name.
    ///
    /// # Errors
    /// `invalid-mechanism` unless it was advertised.
    pub fn pick(&self, name: &str) -> Result<Mechanism, Failure> {
        name.parse()
            .ok()
            .filter(|mechanism| self.contains(*mechanism))
            .ok_or(Failure::new(Condition::InvalidMechanism, "the mechanism is not on offer"))
    }

    /// Whether any advertised mechanism binds to the channel.
    pub fn has_plus(&self) -> bool {
        self.mechanisms.iter().any(|name| name.ends_with("-PLUS"))
    }

    /// The value of SCRAM's `h` attribute: the hash of both lists in base64 (XEP-0474 §"Protocol").
    pub fn hash(&self, hash: Hash) -> String {
        let mut text = sorted(&self.mechanisms);
        if !self.channel_bindings.is_empty() {
            text.push_str(LIST_SEPARATOR);
            text.push_str(&sorted(&self.channel_bindings));
        }
        STANDARD.encode(hash.digest(text.as_bytes()))
    }
}

/// Sorted by octet, as Rust compares strings.
fn sorted(names: &[String]) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.join(ENTRY_SEPARATOR)
}
