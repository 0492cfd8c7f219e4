//! Sessions, as operators see and end them.

use std::sync::Arc;

use jid::{FullJid, Jid};
use xmpp::error::StreamError;

use super::{Action, Actor, Change, Error, recorded};
use crate::host::Host;
use crate::provisioning;
use crate::sessions::Session;

/// Up to `limit` sessions of this node, ordered by full JID, those after `after`.
#[must_use]
pub fn list(host: &Host, localpart: Option<&str>, after: Option<&FullJid>, limit: usize) -> Vec<Arc<Session>> {
    let mut sessions = match localpart {
        Some(localpart) => host.sessions.of(localpart).into_vec(),
        None => host.sessions.all(),
    };
    if let Some(after) = after {
        sessions.retain(|session| session.jid.as_str() > after.as_str());
    }
    // The rest need not be sorted.
    if limit > 0 && sessions.len() > limit {
        sessions.select_nth_unstable_by(limit - 1, by_jid);
        sessions.truncate(limit);
    }
    sessions.sort_unstable_by(by_jid);
    sessions
}

fn by_jid(one: &Arc<Session>, other: &Arc<Session>) -> std::cmp::Ordering {
    one.jid.as_str().cmp(other.jid.as_str())
}

/// Ends sessions: a bare JID's all, a full JID's that one. All are found before any is ended: a misspelt JID stops it
/// before it has changed anything. How many ended.
///
/// # Errors
/// [`Error::Missing`] for a full JID that nobody has, [`Error::Account`] for an account that is not there.
pub async fn end(host: &Host, actor: &Actor, jids: &[Jid]) -> Result<usize, Error> {
    let target = jids.iter().map(Jid::as_str).collect::<Vec<_>>().join(" ");
    recorded(host, actor, Change::to(Action::SessionsEnd, target), async {
        let mut ending: Vec<Arc<Session>> = Vec::new();
        for jid in jids {
            match jid.try_as_full() {
                Ok(full) => ending.push(host.sessions.at(full).ok_or(Error::Missing("session"))?),
                Err(bare) => {
                    let account = provisioning::stored(host, bare).await?;
                    ending.extend(host.sessions.of(&account.localpart));
                }
            }
        }
        for session in &ending {
            session.end(StreamError::with_text("policy-violation", "an administrator has ended the session"));
        }
        Ok(ending.len())
    })
    .await
}
