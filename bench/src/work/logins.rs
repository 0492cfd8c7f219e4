//! Log-ins one after the other, and all at once.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::{LOGINS_AT_A_TIME, each, sessions};
use crate::client::{Account, Login, Session};
use crate::peer::Running;

/// Microseconds of server CPU for a log-in over TLS and its end: handshake, SCRAM, bind, presence, close.
pub async fn logins(running: &Running, accounts: &[Arc<Account>], count: usize) -> Result<f64> {
    let login = Login { target: running.target(true), sm: true };
    let visit = |account: Arc<Account>| async move { Session::online(login, &account).await?.close().await };
    let visitors = |count: usize| accounts.iter().cloned().cycle().take(count).collect::<Vec<_>>();
    // The first ones fill caches.
    each(visitors(LOGINS_AT_A_TIME), LOGINS_AT_A_TIME, visit).await?;
    let before = running.cpu_at_rest().await?;
    each(visitors(count), LOGINS_AT_A_TIME, visit).await?;
    Ok(running.cpu_at_rest().await?.since(before).per(count).value)
}

/// Everybody's connection is lost, and everybody comes back at once: microseconds of server CPU for each that resumes
/// (XEP-0198), and for each that logs in anew.
pub async fn storm(running: &Running, accounts: &[Arc<Account>]) -> Result<(f64, f64)> {
    let login = Login { target: running.target(true), sm: true };
    let at_once = accounts.len();
    let online = sessions(login, accounts).await?;
    let before = running.cpu_at_rest().await?;
    let mut lost = Vec::new();
    for (session, account) in online.into_iter().zip(accounts) {
        lost.push((account.clone(), session.lose().context("a session without stream management")?));
    }
    let online =
        each(lost, at_once, |(account, ticket)| async move { Session::resumed(login, &account, ticket).await }).await?;
    let resumed = running.cpu_at_rest().await?.since(before);
    let before = running.cpu_at_rest().await?;
    drop(online);
    let online =
        each(accounts.to_vec(), at_once, |account| async move { Session::online(login, &account).await }).await?;
    let anew = running.cpu_at_rest().await?.since(before);
    drop(online);
    Ok((resumed.per(at_once).value, anew.per(at_once).value))
}
