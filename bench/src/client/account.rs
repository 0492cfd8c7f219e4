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
    pub(super) keys: Arc<KeptKeys>,
}

impl Account {
    /// The bare JID.
    pub fn jid(&self) -> String {
        format!("{}@{DOMAIN}", self.name)
    }
}

/// Accounts `u0` to `u{count - 1}`.
pub fn numbered(count: usize) -> Vec<Arc<Account>> {
    let account =
        |number| Account { name: format!("u{number}"), password: format!("pass-of-u{number}"), keys: Arc::default() };
    (0..count).map(|number| Arc::new(account(number))).collect()
}

/// Accounts with one password and one salt, so that it is hashed once for all of them.
#[derive(Debug, Default)]
pub struct Alike {
    keys: Arc<KeptKeys>,
}

impl Alike {
    /// The password of all.
    pub const PASSWORD: &str = "pass-of-everybody";

    /// The localpart of one of them.
    pub fn localpart(number: usize) -> String {
        format!("u{number}")
    }

    /// One of them.
    pub fn account(&self, number: usize) -> Account {
        Account { name: Self::localpart(number), password: Self::PASSWORD.to_owned(), keys: Arc::clone(&self.keys) }
    }
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
