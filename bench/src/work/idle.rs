//! Sessions that are online and silent: what each costs in memory.

use std::sync::Arc;

use anyhow::Result;

use super::{per, sessions};
use crate::client::{Account, Login};
use crate::peer::Running;

/// Bytes of server memory (PSS) for an idle session. The first tenth of the accounts warms the server up.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
pub async fn idle(running: &Running, accounts: &[Arc<Account>], tls: bool) -> Result<f64> {
    let login = Login { target: running.target(tls), sm: true };
    let (first, rest) = accounts.split_at_checked(accounts.len() / 10).unwrap_or((&[], accounts));
    let _warm = sessions(login, first).await?;
    let before = running.server.pss_at_rest().await?;
    let _online = sessions(login, rest).await?;
    let after = running.server.pss_at_rest().await?;
    Ok(per(after.saturating_sub(before) as f64, rest.len()))
}
