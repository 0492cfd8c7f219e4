//! The client's end of SCRAM, and its choice of a mechanism: [`choose`], then [`start`] →
//! [`WaitingForChallenge`] → [`WaitingForSuccess`].
//!
//! Sources: RFC 5802, RFC 7677; XEP-0440 §"Business Rules" and XEP-0474 for what to refuse.

use std::num::NonZeroU32;

use super::channel_binding::{ChannelBindingType, ChannelBindings};
use super::downgrade::Offer;
use super::failure::Failure;
use super::hash::{self, Hash};
use super::keys::Password;
use super::limits::{ITERATIONS_MAX, ITERATIONS_MIN, NONCE_BYTES};
use super::mechanism::Mechanism;
use super::message::{self, Attributes};

/// Why the client gives up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server offers nothing that this client speaks or is allowed to use.
    #[error("the server offers no SASL mechanism that this client accepts")]
    NoMechanism,
    /// The two advertised lists contradict each other (XEP-0440): somebody cut one of them.
    #[error("the server's lists of mechanisms and channel bindings contradict each other")]
    ListsContradict,
    /// The lists that arrived are not the lists that were sent (XEP-0474).
    #[error("somebody between client and server changed the list of mechanisms or channel bindings")]
    Downgraded,
    /// The server broke the protocol.
    #[error("the server's SASL message is wrong: {0}")]
    Malformed(&'static str),
    /// The server asks for fewer than [`ITERATIONS_MIN`] or more than [`ITERATIONS_MAX`] iterations.
    #[error("the server asks for {0} PBKDF2 iterations")]
    Iterations(u32),
    /// The server does not know the password itself.
    #[error("the server could not prove that it knows the account's password")]
    ServerNotProven,
    /// The server refused with SCRAM's own error word (RFC 5802 §7).
    #[error("the server refused: {0}")]
    Refused(String),
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        Self::Malformed(failure.reason)
    }
}

/// The best mechanism for this connection. PLAIN only when `plain` (inside TLS, and never again for an
/// account that once used SCRAM: XEP-0474 §"Business Rules").
///
/// # Errors
/// [`ClientError::NoMechanism`], and [`ClientError::ListsContradict`] when only one of the two lists
/// speaks of channel binding although the client is capable of it.
pub fn choose(offer: &Offer, bindings: &ChannelBindings, plain: bool) -> Result<Mechanism, ClientError> {
    if !bindings.is_empty() && offer.has_plus() == offer.channel_bindings.is_empty() {
        return Err(ClientError::ListsContradict);
    }
    let usable = |mechanism: &Mechanism| match mechanism {
        Mechanism::Plain => plain,
        scram => !scram.is_plus() || shared_binding(offer, bindings).is_some(),
    };
    Mechanism::ALL
        .into_iter()
        .find(|mechanism| offer.contains(*mechanism) && usable(mechanism))
        .ok_or(ClientError::NoMechanism)
}

/// The strongest binding that the server advertised and this connection has.
fn shared_binding(offer: &Offer, bindings: &ChannelBindings) -> Option<ChannelBindingType> {
    bindings.types().find(|kind| offer.channel_bindings.iter().any(|name| name == kind.name()))
}

/// The first message was sent.
#[derive(Debug)]
pub struct WaitingForChallenge {
    hash: Hash,
    password: Password,
    client_first_bare: String,
    nonce: String,
    /// What goes into `c=`.
    binding: Vec<u8>,
    offer: Offer,
}

/// The proof was sent; the server must answer with its own.
#[derive(Debug)]
pub struct WaitingForSuccess {
    server_signature: Vec<u8>,
}

/// Begins an exchange: the message to send, and what to do with the answer. `username` is the localpart,
/// `offer` what arrived from the server, `nonce` fresh randomness.
///
/// # Errors
/// [`ClientError::NoMechanism`] for PLAIN, or for a `-PLUS` mechanism without a shared binding.
pub fn start(
    mechanism: Mechanism,
    username: &str,
    password: Password,
    offer: &Offer,
    bindings: &ChannelBindings,
    nonce: [u8; NONCE_BYTES],
) -> Result<(Vec<u8>, WaitingForChallenge), ClientError> {
    begin(mechanism, username, password, offer, bindings, message::encode(&nonce))
}

/// [`start`] with a nonce in any form, as the examples of the RFCs need it.
pub(super) fn begin(
    mechanism: Mechanism,
    username: &str,
    password: Password,
    offer: &Offer,
    bindings: &ChannelBindings,
    nonce: String,
) -> Result<(Vec<u8>, WaitingForChallenge), ClientError> {
    let hash = mechanism.hash().ok_or(ClientError::NoMechanism)?;
    let (header, bound) = if mechanism.is_plus() {
        let kind = shared_binding(offer, bindings).ok_or(ClientError::NoMechanism)?;
        (format!("p={},,", kind.name()), bindings.value(kind).unwrap_or_default())
    } else if bindings.is_empty() || offer.has_plus() {
        // Also without a shared type: XEP-0474's hash tells whether the lists were tampered with.
        ("n,,".to_owned(), [].as_slice())
    } else {
        ("y,,".to_owned(), [].as_slice())
    };
    let client_first_bare = format!("n={},r={nonce}", message::escape(username));
    let first = format!("{header}{client_first_bare}").into_bytes();
    let binding = [header.as_bytes(), bound].concat();
    let waiting = WaitingForChallenge { hash, password, client_first_bare, nonce, binding, offer: offer.clone() };
    Ok((first, waiting))
}

impl WaitingForChallenge {
    /// Answers the server's challenge with the proof. Takes milliseconds, or as long as the server likes
    /// up to [`ITERATIONS_MAX`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn respond(self, server_first: &[u8]) -> Result<(Vec<u8>, WaitingForSuccess), ClientError> {
        let server_first = message::text(server_first)?;
        let challenge = Challenge::parse(server_first)?;
        let server_part = challenge.nonce.strip_prefix(self.nonce.as_str()).unwrap_or_default();
        if server_part.is_empty() {
            return Err(ClientError::Malformed("the nonce does not extend the client's"));
        }
        if challenge.offer_hash.is_some_and(|hash| hash != self.offer.hash(self.hash)) {
            return Err(ClientError::Downgraded);
        }

        let hash = self.hash;
        let salted = hash.stretch(self.password.as_bytes(), &challenge.salt, challenge.iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let stored_key = hash.digest(&client_key);
        let server_key = hash.hmac(&salted, b"Server Key");

        let without_proof = format!("c={},r={}", message::encode(&self.binding), challenge.nonce);
        let signed = format!("{},{server_first},{without_proof}", self.client_first_bare);
        let signature = hash.hmac(&stored_key, signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let client_final = format!("{without_proof},p={}", message::encode(&proof));
        let server_signature = hash.hmac(&server_key, signed.as_bytes());
        Ok((client_final.into_bytes(), WaitingForSuccess { server_signature }))
    }
}

impl WaitingForSuccess {
    /// Checks the server's last message. Without this check the server may be anybody.
    ///
    /// # Errors
    /// [`ClientError::ServerNotProven`] for a wrong signature, [`ClientError::Refused`] for `e=`.
    pub fn finish(self, server_final: &[u8]) -> Result<(), ClientError> {
        let text = message::text(server_final)?;
        match Attributes::new(text).next()? {
            Some(('v', signature)) if hash::equal(&message::decode(signature)?, &self.server_signature) => Ok(()),
            Some(('v', _)) => Err(ClientError::ServerNotProven),
            Some(('e', word)) => Err(ClientError::Refused(word.to_owned())),
            _ => Err(ClientError::Malformed("neither a signature nor an error")),
        }
    }
}

/// The server's first message, taken apart.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
    offer_hash: Option<&'a str>,
}

impl<'a> Challenge<'a> {
    fn parse(text: &'a str) -> Result<Self, ClientError> {
        let mut attributes = Attributes::new(text);
        let nonce = attributes.expect('r')?;
        let salt = message::decode(attributes.expect('s')?)?;
        let count: u32 = attributes
            .expect('i')?
            .parse()
            .map_err(|_| ClientError::Malformed("the iteration count is not a number"))?;
        let iterations = NonZeroU32::new(count)
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count.get()))
            .ok_or(ClientError::Iterations(count))?;
        let mut offer_hash = None;
        while let Some((letter, value)) = attributes.next()? {
            if letter == 'h' {
                offer_hash = Some(value);
            }
        }
        Ok(Self { nonce, salt, iterations, offer_hash })
    }
}
