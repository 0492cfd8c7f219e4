//! The accounts of a configuration, for commands: opens the database, waits for each answer.

use jid::{BareJid, NodePart};
use storage::accounts::Account;
use storage::devices::{self, Device};
use storage::owned::{self, Owned};
use storage::{AccountId, Db, DeviceId, Options, accounts};
use tokio::runtime::Runtime;
use xmpp::sasl::Password;

use crate::cli::init::private_dir;
use crate::cli::output::Failure;
use crate::config::Config;
use crate::host::Host;
use crate::run::database_options;
use crate::{clock, media, provisioning};

/// Accounts read at a time when all are listed.
const PAGE: u32 = 500;

/// An open database, and who waits for it.
pub(in crate::cli) struct Accounts {
    pub(super) db: Db,
    pub(super) runtime: Runtime,
    domain: String,
}

impl Accounts {
    /// Opens the database, which is made when it is missing; a server may have it open too.
    pub(in crate::cli) fn open(config: &Config) -> Result<Self, Failure> {
        private_dir(&config.server.data_dir)?;
        let options = Options { readers: 1, remote_readers: 1, ..database_options(config)? };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let db = runtime.block_on(Db::open(&config.storage.url, &config.server.data_dir, &options))?;
        Ok(Self { db, runtime, domain: config.server.domain.to_string() })
    }

    pub(in crate::cli) fn count(&self) -> Result<u64, Failure> {
        Ok(self.runtime.block_on(accounts::count(&self.db))?)
    }

    pub(super) fn find(&self, localpart: &NodePart) -> Result<Option<Account>, Failure> {
        Ok(self.runtime.block_on(accounts::by_localpart(&self.db, localpart.as_str()))?)
    }

    pub(super) fn expect(&self, localpart: &NodePart) -> Result<Account, Failure> {
        self.find(localpart)?.ok_or_else(|| self.missing(localpart.as_str()))
    }

    /// False when there is an account of that name.
    pub(super) fn create(&self, localpart: &NodePart, password: &Password) -> Result<bool, Failure> {
        let credentials = self.runtime.block_on(provisioning::hash(password.clone()))?;
        let created = accounts::create(&self.db, localpart.as_str(), &credentials, clock::now_ms());
        Ok(self.runtime.block_on(created)?.is_some())
    }

    pub(super) fn set_password(&self, account: &Account, password: &Password) -> Result<(), Failure> {
        let credentials = self.runtime.block_on(provisioning::hash(password.clone()))?;
        let set = self.runtime.block_on(accounts::set_credentials(&self.db, account.id, &credentials))?;
        self.still_there(set, account)
    }

    pub(super) fn set_disabled(&self, account: &Account, disabled: bool) -> Result<(), Failure> {
        let set = self.runtime.block_on(accounts::set_disabled(&self.db, account.id, disabled))?;
        self.still_there(set, account)
    }

    /// Deletes an account while no server runs.
    pub(super) fn delete(&self, config: &Config, localpart: &NodePart) -> Result<(), Failure> {
        let host = Host::new(config.clone(), self.db.clone(), None, [0; 32]);
        let jid = BareJid::from_parts(Some(localpart), host.domain.domain());
        self.runtime.block_on(provisioning::delete(&host, &jid, None))?;
        if let Err(error) = self.runtime.block_on(media::clean_up(&host)) {
            eprintln!("its media are removed at the next start: {error}");
        }
        Ok(())
    }

    pub(super) fn owned(&self, account: &Account) -> Result<Owned, Failure> {
        Ok(self.runtime.block_on(owned::count(&self.db, account.id))?)
    }

    pub(super) fn devices(&self, account: &Account) -> Result<Vec<Device>, Failure> {
        Ok(self.runtime.block_on(devices::list(&self.db, account.id, clock::now_ms()))?)
    }

    /// False when there is no such device.
    pub(super) fn revoke(&self, account: &Account, device: DeviceId) -> Result<bool, Failure> {
        Ok(self.runtime.block_on(devices::revoke(&self.db, account.id, device))?)
    }

    pub(super) fn for_each(&self, each: impl FnMut(&Account)) -> Result<(), Failure> {
        self.for_each_paged(PAGE, each)
    }

    pub(super) fn for_each_paged(&self, page: u32, mut each: impl FnMut(&Account)) -> Result<(), Failure> {
        let mut after: Option<AccountId> = None;
        loop {
            let listed = self.runtime.block_on(accounts::list(&self.db, after, page))?;
            listed.iter().for_each(&mut each);
            let Some(last) = listed.last() else { return Ok(()) };
            after = Some(last.id);
        }
    }

    /// Somebody else may have deleted the account since it was found.
    fn still_there(&self, there: bool, account: &Account) -> Result<(), Failure> {
        if there { Ok(()) } else { Err(self.missing(&account.localpart)) }
    }

    fn missing(&self, localpart: &str) -> Failure {
        Failure::new(format!("there is no account {localpart}@{}", self.domain))
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        // What was written is durable already; this ends the threads before the process does.
        self.runtime.block_on(self.db.close());
    }
}
