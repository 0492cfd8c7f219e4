//! Messages at a fixed rate, whatever the server does: how long each is underway.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{check_message, each, in_pairs, is_presence, message, sessions};
use crate::client::{Account, Login, Session};
use crate::peer::Running;

/// A rate, kept up for a time.
#[derive(Clone, Copy, Debug)]
pub struct Paced {
    /// Messages a second over all senders.
    pub per_sec: u32,
    /// Seconds.
    pub secs: u32,
}

/// What was found, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half of the messages were faster.
    pub p50_ms: f64,
    /// One in a hundred was slower.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// From the sender's write to the receiver's read. Each of a pair sends to the other.
pub async fn paced(running: &Running, accounts: &[Arc<Account>], paced: Paced) -> Result<Latency> {
    let login = Login { target: running.target(true), sm: true };
    let online = sessions(login, accounts).await?;
    Ok(exchange(online, accounts, paced).await?.0)
}

/// The same among sessions that are online already; returns them.
pub async fn exchange(
    online: Vec<Session>,
    accounts: &[Arc<Account>],
    paced: Paced,
) -> Result<(Latency, Vec<Session>)> {
    let senders = u32::try_from(online.len())?;
    let period = Duration::from_secs(1) * senders / paced.per_sec;
    let count = u64::from(paced.per_sec * paced.secs / senders).max(1);
    let jids = in_pairs(accounts.iter().map(|account| account.jid()).collect());
    let pairs = in_pairs(online).into_iter().zip(jids);
    let mut ends = Vec::new();
    for (number, ((alice, bob), (alice_jid, bob_jid))) in pairs.enumerate() {
        // Spread over the period, each message on its own.
        let offset = period * u32::try_from(number * 2)? / senders;
        ends.push((alice, bob_jid, offset));
        ends.push((bob, alice_jid, offset + period / senders));
    }
    let begin = Instant::now() + Duration::from_millis(100);
    let at_once = ends.len().max(1);
    let ended =
        each(ends, at_once, |(session, peer, offset)| end_of_pair(session, peer, count, begin + offset, period))
            .await?;
    let mut times = Vec::new();
    let mut sessions = Vec::new();
    for (session, some) in ended {
        sessions.push(session);
        times.extend(some);
    }
    times.sort_unstable();
    let at = |share: usize| {
        times.get((times.len() * share / 1000).min(times.len() - 1)).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Ok((Latency { p50_ms: at(500), p99_ms: at(990), max_ms: at(1000) }, sessions))
}

async fn end_of_pair(
    mut session: Session,
    peer: String,
    count: u64,
    begin: Instant,
    period: Duration,
) -> Result<(Session, Vec<Duration>)> {
    let mut times = Vec::new();
    let mut sent = 0;
    let mut clock = interval_at(begin, period);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while sent < count || (times.len() as u64) < count {
        tokio::select! {
            _ = clock.tick(), if sent < count => {
                session.stanza(&message(&peer, sent, ""));
                session.flush().await?;
                sent += 1;
            }
            stanza = session.next() => {
                let stanza = stanza?;
                if !is_presence(&stanza) {
                    times.push(check_message(&stanza, &peer, times.len() as u64)?);
                }
            }
        }
    }
    Ok((session, times))
}
