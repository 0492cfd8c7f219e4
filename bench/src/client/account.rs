//! Accounts: numbered names, and their creation by in-band registration (XEP-0077), which all compared servers speak.

use std::sync::Arc;

use anyhow::{Result, bail};
use xmpp::ns;

use super::scram::KeptKeys;
use super::wire::{Target, Wire};

/// The domain of every server of the bench.
pub const DOMAIN: &str = "localhost";

/// An account that the bench makes and uses.
#[derive(Debug)]
pub struct Account {
    /// The localpart.
    pub name: String,
    /// Its password.
    pub password: String,
    pub(super) keys: KeptKeys,
}

impl Account {
    /// The bare JID.
    pub fn jid(&self) -> String {
        format!("{}@{DOMAIN}", self.name)
    }
}

/// Accounts `u0` to `u{count - 1}`.
pub fn numbered(count: usize) -> Vec<Arc<Account>> {
    let account = |number| Account {
        name: format!("u{number}"),
        password: format!("pass-of-u{number}"),
        keys: KeptKeys::default(),
    };
    (0..count).map(|number| Arc::new(account(number))).collect()
}

/// Creates an account on a connection of its own.
pub async fn register(target: Target, account: &Account) -> Result<()> {
    let mut wire = Wire::connect(target).await?;
    wire.open().await?;
    wire.push(&format!(
        "<iq type='set' id='register'><query xmlns='{}'><username>{}</username><password>{}</password></query></iq>",
        ns::REGISTER,
        account.name,
        account.password
    ));
    let answer = wire.element().await?;
    match answer {
        Some(answer) if answer.attr("type").as_deref() == Some("result") => wire.close().await,
        Some(answer) => bail!("{} is not registered: {}", account.name, String::from_utf8_lossy(answer.bytes())),
        None => bail!("{} is not registered: closed", account.name),
    }
}
