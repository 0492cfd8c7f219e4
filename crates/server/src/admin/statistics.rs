//! Numbers about a running server.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use storage::{accounts, invites};

use super::Error;
use crate::host::Host;

/// A user counts as active who sent something in the last so many milliseconds.
pub const ACTIVE_MS: i64 = 5 * 60 * 1_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Accounts, disabled ones included.
    pub accounts: u64,
    /// Invitations that can be used.
    pub open_invites: u64,
    /// Sessions of this node, those waiting to be resumed included.
    pub sessions: usize,
    /// Accounts with at least one of them.
    pub online_users: usize,
    /// Accounts that sent something in the last five minutes.
    pub active_users: usize,
    /// Connections, those that have not logged in included.
    pub connections: usize,
    /// When the process started, Unix time in milliseconds.
    pub started_ms: i64,
}

/// Counts.
///
/// # Errors
/// Those of the database.
pub async fn statistics(host: &Host) -> Result<Statistics, Error> {
    let now_ms = host.clock.now_ms();
    let sessions = host.sessions.all();
    let since_ms = now_ms - ACTIVE_MS;
    let active = sessions.iter().filter(|session| session.heard_ms.load(Ordering::Relaxed) >= since_ms);
    Ok(Statistics {
        accounts: accounts::count(&host.db).await?,
        open_invites: invites::count_open(&host.db, None, now_ms).await?.0,
        sessions: sessions.len(),
        online_users: sessions.iter().map(|session| session.account.id).collect::<HashSet<_>>().len(),
        active_users: active.map(|session| session.account.id).collect::<HashSet<_>>().len(),
        connections: host.admission.connections(),
        started_ms: host.started_ms,
    })
}
