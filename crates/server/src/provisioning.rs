//! Accounts come, change and go: the one implementation behind the command line, in-band registration (XEP-0077) and
//! service administration (XEP-0133). It keeps database, caches and sessions in step.

use std::num::NonZeroU32;
use std::sync::Arc;

use jid::BareJid;
use storage::accounts::{self, Credentials};
use xmpp::error::{Condition, StanzaError, StreamError};
use xmpp::sasl::limits::{ITERATIONS_DEFAULT, SALT_BYTES};
use xmpp::sasl::{Hash, Password, ScramKeys};

use crate::credentials::kept;
use crate::host::Host;
use crate::roster;
use crate::sessions::Session;

/// PBKDF2 rounds of new passwords, and what accounts that do not exist seem to have.
pub(crate) const ITERATIONS: NonZeroU32 = match NonZeroU32::new(ITERATIONS_DEFAULT) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is taken.
    #[error("the account exists already")]
    Exists,
    /// There is nobody of that name.
    #[error("there is no such account")]
    Missing,
    /// The JID is not that of an account of this server's domain.
    #[error("this server has no accounts of that domain")]
    Elsewhere,
    /// A new salt could not be made.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Error> for StanzaError {
    fn from(error: Error) -> Self {
        match error {
            Error::Exists => StanzaError::with_text(Condition::Conflict, "the account exists already"),
            Error::Missing => StanzaError::with_text(Condition::ItemNotFound, "there is no such account"),
            Error::Elsewhere => {
                StanzaError::with_text(Condition::NotAllowed, "this server has no accounts of that domain")
            }
            Error::NoRandomness => Condition::InternalServerError.into(),
            Error::ShuttingDown => Condition::ServiceUnavailable.into(),
            Error::Storage(error) => error.into(),
        }
    }
}

/// Creates an account.
///
/// # Errors
/// [`Error::Exists`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn create(host: &Host, jid: &BareJid, password: Password) -> Result<(), Error> {
    let localpart = localpart(host, jid)?;
    if accounts::by_localpart(&host.db, localpart).await?.is_some() {
        return Err(Error::Exists);
    }
    let credentials = hash(password).await?;
    let created = accounts::create(&host.db, localpart, &credentials, host.clock.now_ms()).await?;
    created.ok_or(Error::Exists)?;
    tracing::info!(account = %jid, "account created");
    Ok(())
}

/// Replaces the password of an account. Its sessions stay: whoever is in knew the old one.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn set_password(host: &Host, jid: &BareJid, password: Password) -> Result<(), Error> {
    let account = stored(host, jid).await?;
    let credentials = hash(password).await?;
    if !accounts::set_credentials(&host.db, account.id, &credentials).await? {
        return Err(Error::Missing);
    }
    tracing::info!(account = %jid, "password changed");
    Ok(())
}

/// Ends the sessions of an account and lets nobody log in to it; what it owns stays.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn disable(host: &Host, jid: &BareJid) -> Result<(), Error> {
    set_disabled(host, jid, true).await?;
    end_sessions(host, jid, &disabled(), None);
    tracing::info!(account = %jid, "account disabled");
    Ok(())
}

/// Lets the user of a disabled account log in again.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn enable(host: &Host, jid: &BareJid) -> Result<(), Error> {
    set_disabled(host, jid, false).await?;
    tracing::info!(account = %jid, "account enabled");
    Ok(())
}

/// Deletes an account with all it owns; its contacts lose their subscriptions (XEP-0077 §3.2). Its sessions end,
/// except `asking`, which its caller ends once it was answered.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn delete(host: &Arc<Host>, jid: &BareJid, asking: Option<&Arc<Session>>) -> Result<(), Error> {
    localpart(host, jid)?;
    let account = host.accounts.find(&host.db, jid).await?.ok_or(Error::Missing)?;
    end_sessions(host, jid, &deleted(), asking);
    roster::account_removed(host, &account).await?;
    let existed = accounts::delete(&host.db, account.id).await?;
    host.accounts.forget(account.localpart());
    // Who logged in in between has a session of an account that is no more.
    end_sessions(host, jid, &deleted(), asking);
    if !existed {
        return Err(Error::Missing);
    }
    tracing::info!(account = %jid, "account deleted");
    Ok(())
}

/// What the sessions of a disabled account end with.
pub fn disabled() -> StreamError {
    StreamError::with_text("not-authorized", "the account was disabled")
}

/// What the sessions of a deleted account end with (XEP-0077 §3.2).
pub fn deleted() -> StreamError {
    StreamError::with_text("not-authorized", "the account was deleted")
}

/// What the sessions of an account end with that was added to behind their back (RFC 6120 §4.9.3.16): their clients
/// come back and see it all.
pub fn imported() -> StreamError {
    StreamError::with_text("reset", "the account was added to")
}

/// Ends the sessions of an account, except one.
pub fn end_sessions(host: &Host, jid: &BareJid, error: &StreamError, except: Option<&Arc<Session>>) {
    let Some(localpart) = jid.node() else { return };
    for session in host.sessions.of(localpart.as_str()) {
        if !except.is_some_and(|except| Arc::ptr_eq(except, &session)) {
            session.end(error.clone());
        }
    }
}

/// The keys kept for a password. Computed off the reactor's threads: it takes milliseconds.
///
/// # Errors
/// [`Error::NoRandomness`] and [`Error::ShuttingDown`].
pub async fn hash(password: Password) -> Result<Credentials, Error> {
    let computed = tokio::task::spawn_blocking(move || {
        let keys = |hash| Some(kept(ScramKeys::derive(hash, &password, &salt()?, ITERATIONS)));
        Some(Credentials { sha1: keys(Hash::Sha1)?, sha256: keys(Hash::Sha256)? })
    });
    computed.await.map_err(|_| Error::ShuttingDown)?.ok_or(Error::NoRandomness)
}

fn salt() -> Option<[u8; SALT_BYTES]> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    Some(salt)
}

async fn set_disabled(host: &Host, jid: &BareJid, disabled: bool) -> Result<(), Error> {
    let account = stored(host, jid).await?;
    if !accounts::set_disabled(&host.db, account.id, disabled).await? {
        return Err(Error::Missing);
    }
    host.accounts.refresh(&host.db, &account.localpart).await?;
    Ok(())
}

/// The account as the database has it.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Elsewhere`], besides what can fail anywhere.
pub async fn stored(host: &Host, jid: &BareJid) -> Result<accounts::Account, Error> {
    accounts::by_localpart(&host.db, localpart(host, jid)?).await?.ok_or(Error::Missing)
}

fn localpart<'a>(host: &Host, jid: &'a BareJid) -> Result<&'a str, Error> {
    if jid.domain() != host.domain.domain() {
        return Err(Error::Elsewhere);
    }
    jid.node().map(|node| node.as_str()).ok_or(Error::Elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_keys_kept_are_those_of_the_password_and_of_no_other() {
        let credentials = hash(Password::prepare("pencil").unwrap()).await.unwrap();
        for (hash, kept) in [(Hash::Sha1, &credentials.sha1), (Hash::Sha256, &credentials.sha256)] {
            let keys = ScramKeys {
                hash,
                salt: kept.salt.to_vec(),
                iterations: NonZeroU32::new(kept.iterations).unwrap(),
                stored_key: kept.stored_key.to_vec(),
                server_key: kept.server_key.to_vec(),
            };
            assert!(keys.matches(&Password::prepare("pencil").unwrap()));
            assert!(!keys.matches(&Password::prepare("Pencil").unwrap()));
        }
        assert_ne!(credentials.sha1.salt, credentials.sha256.salt);
    }
}
