//! Invitations (XEP-0401): made by operators and users, used by whoever has the link. A use makes an account, connects
//! two people, or both.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::rand;
use jid::{BareJid, NodePart};
use storage::accounts;
use storage::invites::{self, Invite};
use storage::{AccountId, InviteId};
use xmpp::sasl::Password;

use super::links::{self, Link, Offer};
use super::{Action, Actor, Change, Error, recorded};
use crate::accounts::Account;
use crate::host::Host;
use crate::{c2s, presence, provisioning};

/// 5 bits each, so 160 bits; no letter that is easily taken for another (XEP-0379 §6.1 wants 80).
const TOKEN_CHARS: usize = 32;
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// How long an invitation is remembered after its end: whoever began to register in time may finish (XEP-0445 §4).
const KEPT_MS: i64 = 86_400_000;

/// An invitation that is to be made.
#[derive(Clone, Debug, Default)]
pub struct NewInvite {
    /// An account here that the invited person is connected with.
    pub contact: Option<BareJid>,
    /// The name to reserve.
    pub localpart: Option<NodePart>,
    /// Whether an account may be registered with it.
    pub registers: bool,
    /// How often it can be used; once if not given.
    pub uses: Option<u32>,
    /// Seconds until it ends; `invite_secs` if not given.
    pub expires_in_secs: Option<u64>,
}

/// An invitation just made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The invitation.
    pub invite: Invite,
    /// How it is passed on; not to be had again.
    pub link: Link,
}

/// Makes an invitation.
///
/// # Errors
/// [`Error::Off`] where invitations are off, [`Error::Unusable`] for values out of range, [`Error::Account`] for a
/// contact that is not there and a name that is taken, [`Error::Bound`] when there are too many.
pub async fn create(host: &Host, actor: &Actor, new: NewInvite) -> Result<Made, Error> {
    let checked = check(host, &new).await;
    // What a user asks for in vain is no administration: it must not push out of the log what is.
    if checked.is_err() && matches!(actor, Actor::User(jid) if !host.is_admin(jid)) {
        return checked.and(Err(Error::Off("nothing was made")));
    }
    let id = InviteId::from_bytes(c2s::random_bytes().first_chunk().copied().unwrap_or_default());
    let mut change = Change::to(Action::InviteCreate, id);
    if let Some(localpart) = &new.localpart {
        change = change.with(localpart);
    }
    recorded(host, actor, change, async { store(host, actor, id, &new, checked?).await }).await
}

/// What follows from a wish that can be granted.
struct Terms {
    contact: Option<AccountId>,
    uses_max: u32,
    expires_at_ms: i64,
}

async fn check(host: &Host, new: &NewInvite) -> Result<Terms, Error> {
    if !host.config.registration.invites {
        return Err(Error::Off("invitations are off: set invites = true in [registration]"));
    }
    let limits = &host.config.limits;
    let now_ms = host.clock.now_ms();
    let secs = new.expires_in_secs.unwrap_or(limits.invite_secs);
    if secs == 0 || secs > limits.invite_secs_max {
        let most = limits.invite_secs_max;
        return Err(Error::Unusable(format!("an invitation lasts 1 to {most} seconds (invite_secs_max in [limits])")));
    }
    let uses_max = new.uses.unwrap_or(1);
    if uses_max == 0 || uses_max > limits.invite_uses_max {
        let most = limits.invite_uses_max;
        return Err(Error::Unusable(format!("an invitation has 1 to {most} uses (invite_uses_max in [limits])")));
    }
    if new.localpart.is_some() && uses_max > 1 {
        return Err(Error::Unusable(String::from("a name can be given to one person only: leave it out, or uses")));
    }
    let contact = match &new.contact {
        Some(jid) => Some(provisioning::stored(host, jid).await?.id),
        None => None,
    };
    if let Some(localpart) = &new.localpart {
        provisioning::is_free(host, localpart.as_str()).await?;
    }
    let (all, own) = invites::count_open(&host.db, contact, now_ms).await?;
    if all >= limits.invites_open_max {
        return Err(Error::Bound("invites_open_max"));
    }
    if contact.is_some() && own >= limits.invites_per_account_max {
        return Err(Error::Bound("invites_per_account_max"));
    }
    let expires_at_ms = now_ms.saturating_add(i64::try_from(secs.saturating_mul(1_000)).unwrap_or(i64::MAX));
    Ok(Terms { contact, uses_max, expires_at_ms })
}

async fn store(host: &Host, actor: &Actor, id: InviteId, new: &NewInvite, terms: Terms) -> Result<Made, Error> {
    let now_ms = host.clock.now_ms();
    invites::purge(&host.db, now_ms - KEPT_MS).await?;
    let invite = Invite {
        id,
        contact: terms.contact,
        localpart: new.localpart.as_ref().map(|localpart| localpart.as_str().to_owned()),
        registers: new.registers || new.localpart.is_some(),
        uses_max: terms.uses_max,
        uses: 0,
        created_at_ms: now_ms,
        expires_at_ms: terms.expires_at_ms,
        created_by: actor.to_string(),
    };
    let token = token()?;
    if !invites::create(&host.db, &invite, &token).await? {
        return Err(storage::Error::Busy.into());
    }
    let link = link(host, &invite, new.contact.as_ref(), &token);
    Ok(Made { invite, link })
}

/// How an invitation is passed on.
#[must_use]
pub fn link(host: &Host, invite: &Invite, contact: Option<&BareJid>, token: &str) -> Link {
    let offer = Offer {
        domain: host.domain.as_str(),
        contact,
        localpart: invite.localpart.as_deref(),
        registers: invite.registers,
    };
    let url = &host.config.http.public_url;
    let page = (!url.is_empty()).then(|| url.join(&format!("/invite/{token}")));
    Link { uri: links::uri(&offer, token), page }
}

/// Up to `limit` invitations in the order of their ids, those after `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(host: &Host, after: Option<InviteId>, limit: u32) -> Result<Vec<Invite>, Error> {
    Ok(invites::list(&host.db, after, limit).await?)
}

/// Makes an invitation void.
///
/// # Errors
/// [`Error::Missing`] when there is none of that id.
pub async fn revoke(host: &Host, actor: &Actor, id: InviteId) -> Result<(), Error> {
    recorded(host, actor, Change::to(Action::InviteRevoke, id), async {
        if invites::revoke(&host.db, id).await? { Ok(()) } else { Err(Error::Missing("invitation")) }
    })
    .await
}

/// The invitation with that token, when it can be used now.
///
/// # Errors
/// Those of the database.
pub async fn open(host: &Host, token: &str) -> Result<Option<Invite>, Error> {
    if !host.config.registration.invites || token.len() != TOKEN_CHARS {
        return Ok(None);
    }
    let found = invites::by_token(&host.db, token).await?;
    Ok(found.filter(|invite| invite.is_open(host.clock.now_ms())))
}

/// The bare JID of the account that an invitation connects with.
///
/// # Errors
/// Those of the database.
pub async fn contact_of(host: &Host, invite: &Invite) -> Result<Option<BareJid>, Error> {
    match invite.contact {
        Some(id) => jid_of(host, id).await,
        None => Ok(None),
    }
}

async fn jid_of(host: &Host, id: AccountId) -> Result<Option<BareJid>, Error> {
    let account = accounts::by_id(&host.db, id).await?;
    Ok(account.and_then(|account| super::accounts::jid_of(host, &account)))
}

/// Registers an account with an invitation that was open when its user began (XEP-0445 §4), and connects it with who
/// invited. A use is taken first, and given back when nothing comes of it. `ip` is the client's address, for the bound
/// `registrations_per_ip_per_hour_max`.
///
/// # Errors
/// [`Error::Missing`] when it was used up meanwhile, [`Error::Off`] when it is not for that,
/// [`Error::Account`] when the name is taken, [`Error::Unusable`] when another one is reserved, [`Error::TooFast`].
pub async fn register(
    host: &Arc<Host>,
    ip: IpAddr,
    invite: &Invite,
    localpart: &NodePart,
    password: Password,
) -> Result<(), Error> {
    if !invite.registers {
        return Err(Error::Off("no account comes with this invitation"));
    }
    match &invite.localpart {
        Some(reserved) if reserved != localpart.as_str() => {
            return Err(Error::Unusable(format!("this invitation is for the name {reserved}")));
        }
        Some(_) => {}
        // A name that is taken costs little to refuse, and does not count.
        None => provisioning::is_free(host, localpart.as_str()).await?,
    }
    if !host.registrations.admit(ip, host.clock.now_ms()) {
        return Err(Error::TooFast);
    }
    let jid = BareJid::from_parts(Some(localpart), host.domain.domain());
    recorded(host, &Actor::Invited(invite.id), Change::to(Action::InviteUse, &jid), async {
        if !invites::take(&host.db, invite.id).await? {
            return Err(Error::Missing("invitation"));
        }
        if let Err(error) = provisioning::create_reserved(host, &jid, password).await {
            invites::give_back(&host.db, invite.id).await?;
            return Err(error.into());
        }
        connect(host, invite, &jid).await;
        Ok(())
    })
    .await
}

/// The account is there; that it is not connected is no reason to say it is not.
async fn connect(host: &Arc<Host>, invite: &Invite, new: &BareJid) {
    let connecting = async {
        let Some(contact) = contact_of(host, invite).await? else { return Ok::<(), Error>(()) };
        let (Some(new), Some(contact)) =
            (host.accounts.find(&host.db, new).await?, host.accounts.find(&host.db, &contact).await?)
        else {
            return Ok(());
        };
        Ok(presence::befriend(host, &new, &contact).await?)
    };
    if let Err(error) = connecting.await {
        tracing::warn!(%error, "who was invited was not connected with who invited");
    }
}

/// Whether a subscription request with that token is granted without asking (XEP-0379 §3.5). Takes a use.
///
/// # Errors
/// Those of the database.
pub async fn admits(host: &Host, account: &Account, from: &BareJid, token: &str) -> Result<bool, storage::Error> {
    let invite = match open(host, token).await {
        Ok(invite) => invite,
        Err(Error::Storage(error)) => return Err(error),
        Err(_) => None,
    };
    let Some(invite) = invite.filter(|invite| invite.contact == Some(account.id) && *from != account.jid) else {
        return Ok(false);
    };
    let (actor, change) = (Actor::Invited(invite.id), Change::to(Action::InviteUse, from));
    let taking =
        async { if invites::take(&host.db, invite.id).await? { Ok(()) } else { Err(Error::Missing("invitation")) } };
    match recorded(host, &actor, change, taking).await {
        Ok(()) => Ok(true),
        Err(Error::Storage(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// A fresh token.
fn token() -> Result<String, Error> {
    let mut random = [0; TOKEN_CHARS];
    rand::fill(&mut random).map_err(|_| provisioning::Error::NoRandomness)?;
    let letters = random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    Ok(letters.map(|&letter| char::from(letter)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_letters_that_need_no_escape_and_differ() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert!(one.len() == TOKEN_CHARS && one.bytes().all(|byte| LETTERS.contains(&byte)), "{one}");
        assert_ne!(one, other);
    }
}
