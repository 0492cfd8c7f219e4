//! The server's end of SCRAM (RFC 5802, RFC 7677), as three types that each allow the next step only:
//! [`start`] → [`WaitingForKeys`] → [`WaitingForProof`] → [`Authenticated`].
//!
//! Between the first two the caller looks up the account's keys, or makes some up with
//! [`ScramKeys::fake`], so that a stranger cannot tell which accounts exist.

use jid::{BareJid, DomainRef};

use super::channel_binding::{ChannelBindingType, ChannelBindings};
use super::downgrade::Offer;
use super::failure::{Condition, Failure};
use super::hash::{self, Hash};
use super::keys::ScramKeys;
use super::limits::NONCE_BYTES;
use super::mechanism::Mechanism;
use super::message::{self, BindingFlag, ClientFinal, ClientFirst};

/// What the server knows about the stream on which the exchange runs.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// The host the stream was opened to: accounts live there.
    pub domain: &'a DomainRef,
    /// What was advertised in the profile that the client uses.
    pub offer: &'a Offer,
    /// What the exchange can be bound to.
    pub bindings: &'a ChannelBindings,
}

/// The client named its account; its keys are needed to go on.
#[derive(Debug)]
pub struct WaitingForKeys {
    account: BareJid,
    hash: Hash,
    client_first_bare: String,
    /// Client's and server's nonce in one.
    nonce: String,
    /// What `c=` must contain.
    binding: Vec<u8>,
    offer_hash: Option<String>,
}

/// The challenge was sent; the client must prove that it knows the password.
#[derive(Debug)]
pub struct WaitingForProof {
    account: BareJid,
    hash: Hash,
    keys: ScramKeys,
    nonce: String,
    binding: Vec<u8>,
    /// `client-first-message-bare "," server-first-message ","`.
    signed_so_far: String,
}

/// The client is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The account the client may now use.
    pub account: BareJid,
    /// The last message to the client: the server's own proof, `v=...`.
    pub server_final: Vec<u8>,
}

/// Begins an exchange with the client's first message. `nonce` is fresh randomness.
///
/// # Errors
/// `invalid-mechanism` for PLAIN or what is not on offer; `malformed-request` for broken syntax, a
/// mandatory extension, a flag that contradicts the mechanism, or a binding the connection lacks;
/// `not-authorized` when the client was told that no `-PLUS` is on offer although it is (RFC 5802 §6);
/// `invalid-authzid` for somebody else's identity.
pub fn start(
    mechanism: Mechanism,
    client_first: &[u8],
    channel: &Channel<'_>,
    nonce: [u8; NONCE_BYTES],
) -> Result<WaitingForKeys, Failure> {
    let mut waiting = begin(mechanism, client_first, channel, &message::encode(&nonce))?;
    waiting.offer_hash = Some(channel.offer.hash(waiting.hash));
    Ok(waiting)
}

/// [`start`] with a nonce in any form and without XEP-0474, as the examples of the RFCs need it.
pub(super) fn begin(
    mechanism: Mechanism,
    client_first: &[u8],
    channel: &Channel<'_>,
    nonce: &str,
) -> Result<WaitingForKeys, Failure> {
    let Some(hash) = mechanism.hash().filter(|_| channel.offer.contains(mechanism)) else {
        return Err(Failure::new(Condition::InvalidMechanism, "the mechanism is not on offer"));
    };
    let first = ClientFirst::parse(message::text(client_first)?)?;
    let mut binding = first.header.as_bytes().to_vec();
    binding.extend_from_slice(bound_bytes(mechanism, first.flag, channel)?);
    Ok(WaitingForKeys {
        account: super::identity::account(first.authzid.as_deref(), &first.username, channel.domain)?,
        hash,
        client_first_bare: first.bare.to_owned(),
        nonce: format!("{}{nonce}", first.nonce),
        binding,
        offer_hash: None,
    })
}

/// The channel's bytes that the client's flag commits it to: empty without binding (RFC 5802 §6).
fn bound_bytes<'a>(mechanism: Mechanism, flag: BindingFlag<'_>, channel: &Channel<'a>) -> Result<&'a [u8], Failure> {
    match (mechanism.is_plus(), flag) {
        (true, BindingFlag::Required(name)) => name
            .parse::<ChannelBindingType>()
            .ok()
            .and_then(|kind| channel.bindings.value(kind))
            .ok_or(Failure::malformed("the channel-binding type is not supported")),
        (true, _) => Err(Failure::malformed("a -PLUS mechanism was chosen without channel binding")),
        (false, BindingFlag::Required(_)) => {
            Err(Failure::malformed("channel binding was chosen without a -PLUS mechanism"))
        }
        (false, BindingFlag::NotOffered) if channel.offer.has_plus() => {
            Err(Failure::not_authorized("the client was not shown the -PLUS mechanisms on offer"))
        }
        (false, _) => Ok(&[]),
    }
}

impl WaitingForKeys {
    /// The account to look up.
    pub fn account(&self) -> &BareJid {
        &self.account
    }

    /// The hash that its keys must be of.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The challenge to send.
    ///
    /// # Errors
    /// `temporary-auth-failure` for keys of another hash: a mistake of the caller, not of the client.
    pub fn with_keys(self, keys: ScramKeys) -> Result<(Vec<u8>, WaitingForProof), Failure> {
        if keys.hash != self.hash {
            return Err(Failure::new(
                Condition::TemporaryAuthFailure,
                "the keys are of another hash than the mechanism",
            ));
        }
        let salt = message::encode(&keys.salt);
        let mut server_first = format!("r={},s={salt},i={}", self.nonce, keys.iterations);
        if let Some(offer_hash) = &self.offer_hash {
            // XEP-0474: being part of what is signed, it cannot be replaced on the way.
            server_first.push_str(",h=");
            server_first.push_str(offer_hash);
        }
        let waiting = WaitingForProof {
            account: self.account,
            hash: self.hash,
            keys,
            nonce: self.nonce,
            binding: self.binding,
            signed_so_far: format!("{},{server_first},", self.client_first_bare),
        };
        Ok((server_first.into_bytes(), waiting))
    }
}

impl WaitingForProof {
    /// The account that the client wants to be.
    pub fn account(&self) -> &BareJid {
        &self.account
    }

    /// Checks the client's last message.
    ///
    /// # Errors
    /// `malformed-request` for broken syntax; `not-authorized` for another channel, another nonce or a
    /// wrong proof, and always for made-up keys.
    pub fn finish(self, client_final: &[u8]) -> Result<Authenticated, Failure> {
        let last = ClientFinal::parse(message::text(client_final)?)?;
        if !hash::equal(&last.binding, &self.binding) {
            return Err(Failure::not_authorized("the channel bindings do not match"));
        }
        if last.nonce != self.nonce {
            return Err(Failure::not_authorized("the nonce is not the one of this exchange"));
        }
        let signed = format!("{}{}", self.signed_so_far, last.without_proof);
        if !self.proves(&last.proof, signed.as_bytes()) {
            return Err(Failure::not_authorized("the account or the password is wrong"));
        }
        let signature = self.hash.hmac(&self.keys.server_key, signed.as_bytes());
        Ok(Authenticated {
            account: self.account,
            server_final: format!("v={}", message::encode(&signature)).into_bytes(),
        })
    }

    /// Whether the proof's key is the one whose hash is stored (RFC 5802 §3).
    fn proves(&self, proof: &[u8], signed: &[u8]) -> bool {
        if proof.len() != self.hash.output_bytes() {
            return false;
        }
        let signature = self.hash.hmac(&self.keys.stored_key, signed);
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        hash::equal(&self.hash.digest(&client_key), &self.keys.stored_key)
    }
}
