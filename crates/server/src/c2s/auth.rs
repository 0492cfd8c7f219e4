//! The SASL exchange on a stream (RFC 6120 §6, and in XEP-0388's elements): frames to mechanisms and back, with the
//! look-ups in between.

use std::net::IpAddr;
use std::sync::Arc;

use storage::accounts::Account as Row;
use tokio::sync::Semaphore;
use xmpp::build::Xml;
use xmpp::error::StreamError;
use xmpp::jid::BareJid;
use xmpp::ns;
use xmpp::sasl::{ChannelBindings, Condition, Failure, Hash, Mechanism, Offer, ScramKeys, payload, plain, scram};
use xmpp::xml::{Element, Frame};

use super::guessing::{Attempt, Secret};
use super::wire::{Wire, WireError};
use crate::accounts::Account;
use crate::credentials::keys_of;
use crate::host::Host;
use crate::provisioning;

/// Passwords checked at a time; the rest wait, so that guessing cannot take the machine.
static HASHING: Semaphore = Semaphore::const_new(2);

/// Why an exchange did not end in a log-in.
#[derive(Debug)]
pub(super) enum AuthError {
    /// The client was refused; the reason is for its `<failure/>`.
    Refused(Failure),
    /// The stream broke.
    Wire(WireError),
    /// The client broke the protocol.
    Stream(StreamError),
}

impl From<Failure> for AuthError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<WireError> for AuthError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// What the stream offers to those who log in, and where they come from.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) ip: IpAddr,
    pub(super) offer: Offer,
    pub(super) bindings: ChannelBindings,
}

/// The profile of SASL that the client uses on the stream: the same messages in other elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// RFC 6120 §6.
    Basic,
    /// XEP-0388.
    Extensible,
}

impl Profile {
    fn namespace(self) -> &'static str {
        match self {
            Self::Basic => ns::SASL,
            Self::Extensible => ns::SASL2,
        }
    }
}

/// Runs the exchange that `<auth/>` begins. On success the `<success/>` was sent.
pub(super) async fn exchange(
    host: &Arc<Host>,
    wire: &mut Wire,
    channel: &Channel,
    auth: &Element,
) -> Result<Arc<Account>, AuthError> {
    let mechanism = channel.offer.pick(&auth.attr("mechanism").unwrap_or_default())?;
    let text = auth.text().unwrap_or_default();
    // RFC 6120 §6.4.2: an empty initial response is "=", none at all is nothing.
    let initial = if text.trim().is_empty() { None } else { Some(payload::decode(text.trim())?) };
    let (account, proof) = prove(host, wire, channel, Profile::Basic, (mechanism, initial)).await?;
    let success = Xml::new("success", ns::SASL);
    let success = if proof.is_empty() { success } else { success.text(payload::encode(&proof)) };
    wire.send(&success.to_string()).await.map_err(WireError::from)?;
    Ok(account)
}

/// Runs a mechanism to its end: who the client is, and what proves the server to it, empty for nothing.
pub(super) async fn prove(
    host: &Arc<Host>,
    wire: &mut Wire,
    channel: &Channel,
    profile: Profile,
    (mechanism, initial): (Mechanism, Option<Vec<u8>>),
) -> Result<(Arc<Account>, Vec<u8>), AuthError> {
    let initial = match initial {
        Some(initial) => initial,
        None => {
            // An empty challenge asks for what the client did not send at once.
            challenge(wire, profile, &[]).await?;
            response(wire, profile).await?
        }
    };
    let (account, proof) = match mechanism {
        Mechanism::Plain => (plain_login(host, channel, &initial).await?, Vec::new()),
        scram => scram_login(host, wire, channel, profile, (scram, &initial)).await?,
    };
    check_enabled(&account)?;
    Ok((account, proof))
}

/// Refuses a disabled account, to those only who have proved that it is theirs.
pub(super) fn check_enabled(account: &Account) -> Result<(), Failure> {
    if account.is_disabled() {
        return Err(Failure::new(Condition::AccountDisabled, "the account is disabled"));
    }
    Ok(())
}

async fn scram_login(
    host: &Arc<Host>,
    wire: &mut Wire,
    channel: &Channel,
    profile: Profile,
    (mechanism, initial): (Mechanism, &[u8]),
) -> Result<(Arc<Account>, Vec<u8>), AuthError> {
    let domain = host.domain.domain();
    let on = scram::Channel { domain, offer: &channel.offer, bindings: &channel.bindings };
    let mut nonce = [0; xmpp::sasl::limits::NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| out_of_order())?;
    let waiting = scram::start(mechanism, initial, &on, nonce)?;
    let jid = waiting.account().clone();
    let attempt = attempt(channel, &jid, Secret::Password);
    check_guessing(host, &attempt)?;
    let (row, keys) = look_up(host, &jid, &[waiting.hash()]).await?;
    let (server_first, waiting) = waiting.with_keys(keys)?;
    challenge(wire, profile, &server_first).await?;
    let client_final = response(wire, profile).await?;
    // Once more: who has opened many exchanges cannot end them all.
    check_guessing(host, &attempt)?;
    let authenticated = waiting.finish(&client_final).and_then(|authenticated| Ok((row.ok_or(WRONG)?, authenticated)));
    let (row, authenticated) = note_outcome(host, &attempt, authenticated)?;
    Ok((account_of(host, &jid, &row).await?, authenticated.server_final))
}

async fn plain_login(host: &Arc<Host>, channel: &Channel, initial: &[u8]) -> Result<Arc<Account>, AuthError> {
    let claim = plain::parse(initial, host.domain.domain())?;
    let attempt = attempt(channel, &claim.account, Secret::Password);
    check_guessing(host, &attempt)?;
    let (row, keys) = look_up(host, &claim.account, &[Hash::Sha256, Hash::Sha1]).await?;
    let _turn = HASHING.acquire().await.map_err(|_| out_of_order())?;
    // Once more: others may have failed while this one waited.
    check_guessing(host, &attempt)?;
    let matches =
        tokio::task::spawn_blocking(move || keys.matches(&claim.password)).await.map_err(|_| out_of_order())?;
    let row = note_outcome(host, &attempt, row.filter(|_| matches).ok_or(WRONG))?;
    Ok(account_of(host, &claim.account, &row).await?)
}

/// An attempt to log in to an account, which may not exist.
pub(super) fn attempt<'a>(channel: &Channel, account: &'a BareJid, secret: Secret) -> Attempt<'a> {
    Attempt { ip: channel.ip, localpart: account.node().map_or("", |node| node.as_str()), secret }
}

/// Refuses the attempts of those who guess.
pub(super) fn check_guessing(host: &Host, attempt: &Attempt<'_>) -> Result<(), Failure> {
    host.guessing.check(attempt, host.clock.now_ms()).map_err(|refusal| {
        if refusal.is_first {
            tracing::warn!(ip = %attempt.ip, bound = refusal.bound, "too many failed log-ins: refused for a minute");
        }
        TOO_MANY
    })
}

/// Remembers who got in and who guessed wrong. A malformed message was no guess.
pub(super) fn note_outcome<T>(host: &Host, attempt: &Attempt<'_>, outcome: Result<T, Failure>) -> Result<T, Failure> {
    match &outcome {
        Ok(_) => host.guessing.succeeded(attempt, host.clock.now_ms()),
        Err(failure) if failure.condition == Condition::NotAuthorized => {
            host.guessing.failed(attempt, host.clock.now_ms());
        }
        Err(_) => {}
    }
    outcome
}

/// For those who guess, and for all else at their address.
pub(super) const TOO_MANY: Failure =
    Failure::new(Condition::TemporaryAuthFailure, "too many failed log-ins: wait a minute");

/// One answer for a wrong name and a wrong password.
pub(super) const WRONG: Failure = Failure::new(Condition::NotAuthorized, "the account or the password is wrong");

pub(super) fn out_of_order() -> Failure {
    Failure::new(Condition::TemporaryAuthFailure, "try again in a while")
}

/// The keys to check against, of the first hash that the account has keys for; made-up ones for a user that does not
/// exist, after the same look-ups.
async fn look_up(host: &Host, jid: &BareJid, hashes: &[Hash]) -> Result<(Option<Row>, ScramKeys), Failure> {
    let fake_hash = hashes.first().copied().unwrap_or(Hash::Sha256);
    let fake = ScramKeys::fake(&host.server_secret, jid, fake_hash, provisioning::ITERATIONS);
    let localpart = jid.node().map(|node| node.as_str()).unwrap_or_default();
    let row = storage::accounts::by_localpart(&host.db, localpart).await.map_err(unreadable)?;
    let keys = row.as_ref().and_then(|row| hashes.iter().find_map(|hash| keys_of(&row.credentials, *hash)));
    Ok(match keys {
        Some(keys) => (row, keys),
        None => (None, fake),
    })
}

/// The hash that the account of this name has no keys for, because it came from a server that used one hash alone. It
/// is not offered, or the client would try it and believe the password wrong. Tells a stranger of such an account that
/// it is there.
pub(super) async fn hash_without_keys(host: &Host, from: Option<&str>) -> Option<Hash> {
    if !host.accounts.some_have_keys_for_one_hash() {
        return None;
    }
    let jid = BareJid::new(from?).ok().filter(|jid| jid.domain() == host.domain.domain())?;
    let row = storage::accounts::by_localpart(&host.db, jid.node()?.as_str()).await.ok()??;
    let missing = [Hash::Sha256, Hash::Sha1].into_iter().filter(|hash| keys_of(&row.credentials, *hash).is_none());
    let missing: Vec<Hash> = missing.collect();
    match missing.as_slice() {
        [hash] => Some(*hash),
        _ => None,
    }
}

/// The account of whoever has proved to own it. Not before: reading more of an account that exists would take longer
/// than of one that does not.
async fn account_of(host: &Host, jid: &BareJid, row: &Row) -> Result<Arc<Account>, Failure> {
    host.accounts.adopt(&host.db, jid, row).await.map_err(unreadable)
}

fn unreadable(error: storage::Error) -> Failure {
    tracing::error!(%error, "an account could not be read");
    out_of_order()
}

async fn challenge(wire: &mut Wire, profile: Profile, message: &[u8]) -> Result<(), WireError> {
    let challenge = Xml::new("challenge", profile.namespace());
    let challenge = if message.is_empty() { challenge } else { challenge.text(payload::encode(message)) };
    Ok(wire.send(&challenge.to_string()).await?)
}

async fn response(wire: &mut Wire, profile: Profile) -> Result<Vec<u8>, AuthError> {
    let Frame::Element(element) = wire.frame().await? else {
        return Err(AuthError::Stream(StreamError::new("not-authorized")));
    };
    if element.is("abort", profile.namespace()) {
        return Err(Failure::new(Condition::Aborted, "the client gave up").into());
    }
    if !element.is("response", profile.namespace()) {
        return Err(AuthError::Stream(StreamError::with_text("not-authorized", "finish the log-in first")));
    }
    let text = element.text().unwrap_or_default();
    Ok(if text.trim().is_empty() { Vec::new() } else { payload::decode(text.trim())? })
}

/// The `<failure/>` for the client (RFC 6120 §6.5).
pub(super) fn failure_xml(failure: &Failure) -> String {
    Xml::new("failure", ns::SASL)
        .child(Xml::bare(failure.condition.name()))
        .child(Xml::bare("text").attr("xml:lang", "en").text(failure.reason))
        .to_string()
}
