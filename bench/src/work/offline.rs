//! Messages for people who are not there: stored, then delivered in order when they come.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::{LOGINS_AT_A_TIME, check_message, each, is_presence, message, sessions};
use crate::client::{Account, Login, Session};
use crate::peer::{Figure, Running};

/// Messages that a sender writes before it asks for an acknowledgement.
const BATCH: u64 = 50;

/// What a message cost the server in microseconds of CPU.
#[derive(Clone, Copy, Debug)]
pub struct Offline {
    /// From its arrival to its acknowledgement.
    pub stored_us: Figure,
    /// Its delivery at log-in, without the log-in.
    pub delivered_us: Figure,
}

/// Each sender writes to each of its recipients `each_gets` messages. `accounts` are recipients first, one sender for
/// ten of them after.
pub async fn offline(running: &Running, accounts: &[Arc<Account>], each_gets: u64) -> Result<Offline> {
    let target = running.target(true);
    let (recipients, senders) = accounts.split_at_checked(accounts.len() * 10 / 11).context("too few accounts")?;
    let quiet = Login { target, sm: false };
    let visit = |account: Arc<Account>| async move { Session::online(quiet, &account).await?.close().await };

    // Twice: the second visit finds warm caches, as the one that fetches messages will.
    each(recipients.to_vec(), LOGINS_AT_A_TIME, visit).await?;
    let before = running.cpu_at_rest().await?;
    each(recipients.to_vec(), LOGINS_AT_A_TIME, visit).await?;
    let logins = running.cpu_at_rest().await?.since(before);

    let online = sessions(Login { target, sm: true }, senders).await?;
    let groups: Vec<_> = recipients.chunks(10).map(<[_]>::to_vec).collect();
    let before = running.cpu_at_rest().await?;
    let work: Vec<_> = online.into_iter().zip(groups).collect();
    let at_once = work.len().max(1);
    let online = each(work, at_once, |(sender, group)| write_to_all(sender, group, each_gets)).await?;
    let stored = running.cpu_at_rest().await?.since(before);

    let from: Vec<String> = senders.iter().map(|sender| sender.jid()).collect();
    let fetchers: Vec<_> = recipients.iter().cloned().zip(from.into_iter().flat_map(|jid| vec![jid; 10])).collect();
    let before = running.cpu_at_rest().await?;
    each(fetchers, LOGINS_AT_A_TIME, |(account, from)| fetch(quiet, account, from, each_gets)).await?;
    let delivered = running.cpu_at_rest().await?.since(before) - logins;
    drop(online);
    let count = recipients.len() * usize::try_from(each_gets)?;
    Ok(Offline { stored_us: stored.per(count), delivered_us: delivered.per(count) })
}

async fn write_to_all(mut sender: Session, group: Vec<Arc<Account>>, each_gets: u64) -> Result<Session> {
    let mut written = 0;
    for number in 0..each_gets {
        for recipient in &group {
            sender.stanza(&message(&recipient.jid(), number, ""));
            written += 1;
            if written % BATCH == 0 {
                sender.acknowledged().await?;
            }
        }
    }
    sender.acknowledged().await?;
    Ok(sender)
}

async fn fetch(login: Login, account: Arc<Account>, from: String, each_gets: u64) -> Result<()> {
    let mut session = Session::coming_online(login, &account).await?;
    let mut received = 0;
    while received < each_gets {
        let stanza = session.next().await?;
        if !is_presence(&stanza) {
            check_message(&stanza, &from, received)?;
            received += 1;
        }
    }
    session.close().await
}
