//! Devices: the names under which they are known here, the tokens they come back with (XEP-0484), and what happens
//! when one is revoked. The rows are `storage::devices`.

use storage::devices::{self, Device};
use storage::{AccountId, DeviceId};
use xmpp::error::StreamError;
use xmpp::sasl::{Hash, UserAgentId};

use crate::accounts::Account;
use crate::host::Host;

/// The device that a user-agent id stands for, in one account. It is part of the resource and so seen by others, who
/// cannot tell the user-agent id from it (XEP-0386 §3.3).
pub fn id_of(host: &Host, account: AccountId, agent: &UserAgentId) -> DeviceId {
    let hash = keyed(host, "device", &[&account.0.to_be_bytes(), agent.as_bytes()]);
    DeviceId::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}

/// The token that belongs to a seed in the database: 256 bits, known to who knows the seed and this deployment's key.
pub fn token_of(host: &Host, account: AccountId, device: DeviceId, seed: &[u8]) -> String {
    let hash = keyed(host, "token", &[&account.0.to_be_bytes(), device.to_string().as_bytes(), seed]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every part but the last has a fixed length, so no two inputs meet.
fn keyed(host: &Host, purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let input = [purpose.as_bytes(), b"\0", &parts.concat()].concat();
    Hash::Sha256.hmac(&host.server_secret, &input)
}

/// Takes a device's access away: its tokens are void and its sessions end. The device as it was; None when there is
/// no such device. One that knows the password can log in again with it.
///
/// # Errors
/// Those of the database.
pub async fn revoke(host: &Host, account: &Account, id: DeviceId) -> Result<Option<Device>, storage::Error> {
    let listed = devices::list(&host.db, account.id, host.clock.now_ms()).await?;
    let Some(device) = listed.into_iter().find(|device| device.id == id) else { return Ok(None) };
    devices::revoke(&host.db, account.id, id).await?;
    end_sessions(host, account.localpart(), Some(id));
    tracing::info!(account = %account.jid, device = %id, "device revoked");
    Ok(Some(device))
}

/// Ends the sessions of one device of an account, or of every device that has a name.
pub fn end_sessions(host: &Host, localpart: &str, device: Option<DeviceId>) {
    for session in host.sessions.of(localpart) {
        if session.device.is_some_and(|held| device.is_none_or(|device| device == held)) {
            session.end(StreamError::with_text("not-authorized", "the access of this device was revoked"));
        }
    }
}

/// Whether a device of the account has a session, with a socket or waiting to be resumed.
pub fn is_connected(host: &Host, localpart: &str, device: DeviceId) -> bool {
    host.sessions.of(localpart).iter().any(|session| session.device == Some(device))
}
