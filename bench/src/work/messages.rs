//! Pairs that talk: each answers each message with the next, so that a given number is in flight.

use std::sync::Arc;

use anyhow::{Result, bail};
use xmpp::ns;

use super::{archive, check_message, each, in_pairs, is_presence, message, sessions};
use crate::client::{Account, Login, Session};
use crate::peer::{Figure, Running};

/// A conversation of many pairs.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// Messages in flight in each pair.
    pub in_flight: u64,
    /// Messages that each of the two sends.
    pub each: u64,
    /// Whether messages ask to be forgotten.
    pub hint: Hint,
    /// Whether both archives must hold every message afterwards.
    pub archived: bool,
}

/// What a message asks of the archive (XEP-0334).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// That it be stored nowhere.
    NoStore,
}

impl Hint {
    fn xml(self) -> String {
        match self {
            Self::None => String::new(),
            Self::NoStore => format!("<no-store xmlns='{}'/>", ns::HINTS),
        }
    }
}

/// Microseconds of server CPU for a message from sender to receiver.
pub async fn chat(running: &Running, accounts: &[Arc<Account>], chat: Chat) -> Result<Figure> {
    let login = Login { target: running.target(true), sm: true };
    let online = sessions(login, accounts).await?;
    let before = running.cpu_at_rest().await?;
    let talked = talk(online, accounts, chat).await?;
    let cost = running.cpu_at_rest().await?.since(before);
    if chat.archived {
        archive::check_counts(talked, chat.each * 2).await?;
    }
    Ok(cost.per(accounts.len() * usize::try_from(chat.each)?))
}

/// All pairs at once, to the last message; returns the sessions.
pub(super) async fn talk(online: Vec<Session>, accounts: &[Arc<Account>], chat: Chat) -> Result<Vec<Session>> {
    let jids = in_pairs(accounts.iter().map(|account| account.jid()).collect());
    let pairs: Vec<_> = in_pairs(online).into_iter().zip(jids).collect();
    let count = pairs.len().max(1);
    let talked = each(pairs, count, |((alice, bob), (alice_jid, bob_jid))| async move {
        let alice = tokio::spawn(end_of_pair(alice, bob_jid, chat, chat.in_flight));
        let bob = tokio::spawn(end_of_pair(bob, alice_jid, chat, 0));
        Ok([alice.await??, bob.await??])
    })
    .await?;
    Ok(talked.into_iter().flatten().collect())
}

/// Sends `ahead` messages, then one for each that comes; every one must come once and in order.
async fn end_of_pair(mut session: Session, peer: String, chat: Chat, ahead: u64) -> Result<Session> {
    let hint = chat.hint.xml();
    let (mut sent, mut received) = (0, 0);
    while sent < ahead.min(chat.each) {
        session.stanza(&message(&peer, sent, &hint));
        sent += 1;
    }
    while received < chat.each {
        let stanza = session.next().await?;
        if is_presence(&stanza) {
            continue;
        }
        check_message(&stanza, &peer, received)?;
        received += 1;
        if sent < chat.each {
            session.stanza(&message(&peer, sent, &hint));
            sent += 1;
        }
    }
    if sent != chat.each {
        bail!("only {sent} messages were sent");
    }
    session.flush().await?;
    Ok(session)
}
