//! What a configuration's server has, for commands: opens the database, waits for each answer. A host that nobody
//! connects to is made around it, so that a command does what the API and a client's command do (`admin`).

use std::sync::Arc;

use jid::{BareJid, NodePart};
use storage::accounts::Account;
use storage::devices::{self, Device};
use storage::owned::{self, Owned};
use storage::uploads::{Listed, UploadId, Usage};
use storage::{AccountId, Db, DeviceId, Options, accounts};
use tokio::runtime::Runtime;
use xmpp::sasl::Password;

use crate::admin::Actor;
use crate::cli::init::private_dir;
use crate::cli::output::Failure;
use crate::config::Config;
use crate::host::Host;
use crate::run::database_options;
use crate::{admin, clock, media, provisioning};

/// Who does it, for the audit log.
pub(in crate::cli) const ACTOR: Actor = Actor::CommandLine;

/// Accounts read at a time when all are listed.
const PAGE: u32 = 500;

/// An open database, and who waits for it.
pub(in crate::cli) struct Accounts {
    pub(in crate::cli) host: Arc<Host>,
    pub(super) db: Db,
    pub(in crate::cli) runtime: Runtime,
    domain: String,
}

impl Accounts {
    /// Opens the database, which is made when it is missing; a server may have it open too.
    pub(in crate::cli) fn open(config: &Config) -> Result<Self, Failure> {
        private_dir(&config.server.data_dir)?;
        let options = Options { readers: 1, remote_readers: 1, ..database_options(config)? };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let db = runtime.block_on(Db::open(&config.storage.url, &config.server.data_dir, &options))?;
        let host = Host::new(config.clone(), db.clone(), None, [0; 32]);
        Ok(Self { host, db, runtime, domain: config.server.domain.to_string() })
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

    pub(super) fn create(&self, localpart: &NodePart, password: &Password) -> Result<(), Failure> {
        let jid = self.jid(localpart);
        let done = self.wait(admin::accounts::create(&self.host, &ACTOR, &jid, password.clone()));
        self.of_account(localpart, done)
    }

    pub(super) fn set_password(&self, localpart: &NodePart, password: &Password) -> Result<(), Failure> {
        let jid = self.jid(localpart);
        let done = self.wait(admin::accounts::set_password(&self.host, &ACTOR, &jid, password.clone()));
        self.of_account(localpart, done)
    }

    pub(super) fn set_disabled(&self, localpart: &NodePart, disabled: bool) -> Result<(), Failure> {
        let jid = self.jid(localpart);
        let done = self.wait(admin::accounts::set_disabled(&self.host, &ACTOR, &jid, disabled));
        self.of_account(localpart, done)
    }

    /// Deletes an account while no server runs.
    pub(super) fn delete(&self, localpart: &NodePart) -> Result<Owned, Failure> {
        let jid = self.jid(localpart);
        let done = self.wait(admin::accounts::delete(&self.host, &ACTOR, &jid));
        if done.is_ok() {
            self.clean_up_media();
        }
        self.of_account(localpart, done)
    }

    /// Removes from the store what nobody holds any more; a running server would come to it later.
    fn clean_up_media(&self) {
        if let Err(error) = self.wait(media::clean_up(&self.host)) {
            eprintln!("what the media store still has of it is removed by the server when it next cleans up: {error}");
        }
    }

    /// Waits for what the server would do.
    pub(in crate::cli) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn jid(&self, localpart: &NodePart) -> BareJid {
        BareJid::from_parts(Some(localpart), self.host.domain.domain())
    }

    /// The failure in words that name the account.
    fn of_account<T>(&self, localpart: &NodePart, done: Result<T, admin::Error>) -> Result<T, Failure> {
        done.map_err(|error| match error {
            // Somebody else may have deleted the account since it was found.
            admin::Error::Account(provisioning::Error::Missing) => self.missing(localpart.as_str()),
            admin::Error::Account(provisioning::Error::Exists) => {
                Failure::new(format!("{localpart}@{} exists already", self.domain))
            }
            admin::Error::Account(provisioning::Error::Reserved) => Failure::new(format!(
                "{localpart}@{} is reserved by an invitation: whimbreld invite list shows it, invite revoke ends it",
                self.domain
            )),
            error => error.into(),
        })
    }

    pub(super) fn owned(&self, account: &Account) -> Result<Owned, Failure> {
        Ok(self.runtime.block_on(owned::count(&self.db, account.id))?)
    }

    pub(super) fn devices(&self, account: &Account) -> Result<Vec<Device>, Failure> {
        Ok(self.runtime.block_on(devices::list(&self.db, account.id, clock::now_ms()))?)
    }

    /// False when there is no such device.
    pub(super) fn revoke(&self, localpart: &NodePart, device: DeviceId) -> Result<bool, Failure> {
        match self.wait(admin::accounts::revoke_device(&self.host, &ACTOR, &self.jid(localpart), device)) {
            Err(admin::Error::Missing(_)) => Ok(false),
            done => self.of_account(localpart, done).map(|()| true),
        }
    }

    pub(super) fn upload_usage(&self, account: &Account) -> Result<Usage, Failure> {
        Ok(self.wait(admin::uploads::usage(&self.host, account))?)
    }

    pub(super) fn for_each_upload(&self, localpart: &NodePart, mut each: impl FnMut(&Listed)) -> Result<(), Failure> {
        let jid = self.jid(localpart);
        let mut after: Option<UploadId> = None;
        loop {
            let page = self.wait(admin::uploads::list(&self.host, &jid, after, PAGE));
            let page = self.of_account(localpart, page)?;
            page.iter().for_each(&mut each);
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
        }
    }

    /// False when there is no such upload.
    pub(super) fn remove_upload(&self, localpart: &NodePart, id: UploadId) -> Result<bool, Failure> {
        match self.wait(admin::uploads::remove(&self.host, &ACTOR, &self.jid(localpart), id)) {
            Err(admin::Error::Missing(_)) => Ok(false),
            done => {
                self.of_account(localpart, done)?;
                self.clean_up_media();
                Ok(true)
            }
        }
    }

    /// How many there were.
    pub(super) fn remove_uploads(&self, localpart: &NodePart) -> Result<u64, Failure> {
        let done = self.wait(admin::uploads::remove_all(&self.host, &ACTOR, &self.jid(localpart)));
        let removed = self.of_account(localpart, done)?;
        self.clean_up_media();
        Ok(removed)
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
