//! Seals what an older program stored in the clear: the step of migration 6 that
//! SQL cannot do. It runs in the migration's transaction, with one row in memory at
//! a time; [`wipe`] then leaves nothing of the old rows in the file.

use std::sync::Arc;

use quick_cache::sync::Cache;
use rusqlite::Connection;

use super::{
    DataKey, Hash, MasterKeys,
    keyring::{DeploymentKey, NewKey},
};
use crate::{
    AccountId, Error, Row, Statement, Value,
    accounts::{self, Credentials, ScramKeys},
    archive::{self, Direction, Entry},
    archive_prefs::{self, ArchivePrefs},
    blocklist,
    db::{execute, for_each},
    devices, limits,
    private_xml::{self, PrivateXml},
    roster::{self, Item, Subscription},
    text_list,
    vcards::{self, Vcard},
};

/// Makes the deployment's key, moves every row into its new table, and drops the old ones.
pub(crate) fn seal_rows(connection: &Connection, master: &MasterKeys) -> Result<(), Error> {
    let (deployment, wrapped) = DeploymentKey::create(master)?;
    let step = Step { connection, master, deployment, keys: Cache::new(limits::ACCOUNT_KEYS_READY_MAX) };
    let insert = "INSERT INTO deployment_keys (id, master, wrapped) VALUES (1, ?, ?)";
    step.run(insert, [master.fingerprint()?.into(), wrapped.into()])?;
    step.accounts()?;
    step.rosters()?;
    step.mailboxes()?;
    step.profiles()?;
    step.devices()?;
    connection.execute_batch(FINISH)?;
    Ok(())
}

/// Ids go on where they were; the mark is the newest message. `user_version` asks [`wipe`] for its work where there was
/// anything to seal.
const FINISH: &str = "\
DELETE FROM sqlite_sequence WHERE name = 'accounts';
UPDATE sqlite_sequence SET name = 'accounts' WHERE name = 'plain_accounts';
UPDATE archive_mark SET id = MAX(
    COALESCE((SELECT MAX(id) FROM plain_archive), 0), COALESCE((SELECT MAX(id) FROM plain_transient), 0));
DROP TABLE plain_accounts;
DROP TABLE plain_roster;
DROP TABLE plain_roster_removals;
DROP TABLE plain_archive;
DROP TABLE plain_transient;
DROP TABLE plain_archive_prefs;
DROP TABLE plain_blocklist;
DROP TABLE plain_private_xml;
DROP TABLE plain_vcards;
DROP TABLE plain_devices;
PRAGMA user_version = 1;";

/// Rewrites a file that held plaintext, so that none is left in its free pages or in the log. A crash before its end
/// leaves the wish for it; the next start fulfils that.
pub(crate) fn wipe(connection: &Connection) -> Result<(), Error> {
    let wanted: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    if wanted == 0 {
        return Ok(());
    }
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 0;")?;
    Ok(())
}

struct Step<'a> {
    connection: &'a Connection,
    master: &'a MasterKeys,
    deployment: DeploymentKey,
    /// Of those accounts that have one.
    keys: Cache<AccountId, Option<Arc<DataKey>>>,
}

impl Step<'_> {
    fn run(&self, sql: &'static str, params: impl Into<Vec<Value>>) -> Result<(), Error> {
        execute(self.connection, &Statement::new(sql, params)).map(drop)
    }

    /// The owner's key; `None` where the owner is gone, and its rows with it.
    fn key(&self, owner: AccountId) -> Result<Option<Arc<DataKey>>, Error> {
        if let Some(key) = self.keys.get(&owner) {
            return Ok(key);
        }
        let sql = "SELECT localpart_hash, wrapped_key FROM accounts WHERE id = ? AND wrapped_key IS NOT NULL";
        let key = match execute(self.connection, &Statement::new(sql, [owner.into()]))?.into_row() {
            Some(mut row) => {
                let (hash, wrapped) = (row.blob()?, row.blob()?);
                let secret = self.master.unwrap(&wrapped, &hash)?.ok_or_else(|| super::unknown(&wrapped))?;
                Some(Arc::new(DataKey::new(&secret, self.master.plain)?))
            }
            None => None,
        };
        self.keys.insert(owner, key.clone());
        Ok(key)
    }

    /// The rows of a query whose first column is their owner, with the owner's key.
    fn owned(
        &self,
        sql: &'static str,
        mut visit: impl FnMut(AccountId, &DataKey, Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for_each(self.connection, sql, |mut row| {
            let owner = AccountId(row.int()?);
            self.key(owner)?.map_or(Ok(()), |key| visit(owner, &key, row))
        })
    }

    fn accounts(&self) -> Result<(), Error> {
        let select = "\
SELECT id, localpart, disabled, created_at_ms, last_seen_ms, last_status, roster_version,
    sha1_salt, sha1_iterations, sha1_stored_key, sha1_server_key,
    sha256_salt, sha256_iterations, sha256_stored_key, sha256_server_key FROM plain_accounts";
        let insert = "\
INSERT INTO accounts (id, localpart_hash, localpart, wrapped_key, credentials, last_status,
    disabled, created_at_ms, last_seen_ms, roster_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        for_each(self.connection, select, |mut row| {
            let (id, localpart) = (AccountId(row.int()?), row.opt_text()?);
            let (disabled, created_at_ms, last_seen_ms) = (row.bool()?, row.int()?, row.opt_int()?);
            let (status, roster_version) = (row.opt_text()?, row.int()?);
            let credentials = Credentials { sha1: scram_keys(&mut row)?, sha256: scram_keys(&mut row)? };
            let mut params: Vec<Value> = vec![id.into()];
            params.extend(match localpart {
                Some(localpart) => {
                    let hash = self.deployment.localpart(&localpart);
                    self.sealed_account(id, hash, &localpart, &credentials, status.as_deref())?
                }
                // It is being deleted.
                None => [const { Value::Null }; 5],
            });
            params.extend([disabled.into(), created_at_ms.into(), last_seen_ms.into(), roster_version.into()]);
            self.run(insert, params)
        })
    }

    /// The columns localpart_hash, localpart, wrapped_key, credentials, last_status.
    fn sealed_account(
        &self,
        id: AccountId,
        hash: Hash,
        localpart: &str,
        credentials: &Credentials,
        status: Option<&str>,
    ) -> Result<[Value; 5], Error> {
        let new = NewKey::create(self.master, hash)?;
        let status = status.map(|status| accounts::seal_status(&new.key, id, status)).transpose()?;
        Ok([
            hash.into(),
            accounts::seal_localpart(&self.deployment.key, hash, localpart)?,
            new.wrapped.into(),
            accounts::seal_credentials(&new.key, hash, credentials)?,
            status.into(),
        ])
    }

    fn rosters(&self) -> Result<(), Error> {
        let select = "\
SELECT owner, jid, name, subscription, ask, approved, pending_in, group_names, in_roster, version FROM plain_roster";
        let insert = "\
INSERT INTO roster (owner, jid_hash, subscription, ask, approved, in_roster, sealed, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        self.owned(select, |owner, key, mut row| {
            let item = Item {
                jid: row.text()?,
                name: row.opt_text()?,
                subscription: Subscription::from_int(row.int()?)?,
                ask: row.bool()?,
                approved: row.bool()?,
                pending_in: row.opt_blob()?,
                groups: text_list::decode(&row.text()?)?,
                in_roster: row.bool()?,
                version: row.int()?,
            };
            let mut params = Vec::from(roster::columns(key, owner, &item)?);
            params.push(item.version.into());
            self.run(insert, params)
        })?;
        let select = "SELECT owner, jid, version FROM plain_roster_removals";
        let insert = "INSERT INTO roster_removals (owner, jid_hash, sealed, version) VALUES (?, ?, ?, ?)";
        self.owned(select, |owner, key, mut row| {
            let mut params = Vec::from(roster::removal_columns(key, owner, &row.text()?)?);
            params.push(row.int()?.into());
            self.run(insert, params)
        })
    }

    fn mailboxes(&self) -> Result<(), Error> {
        let select = "SELECT owner, id, peer, peer_resource, direction, stanza FROM plain_archive ORDER BY rowid";
        self.owned(select, |owner, key, row| self.run(archive::ARCHIVE, archive::archived(key, &entry(owner, row)?)?))?;
        let select = "SELECT owner, id, peer, peer_resource, direction, stanza FROM plain_transient ORDER BY rowid";
        self.owned(select, |owner, key, row| {
            self.run(archive::TRANSIENT, archive::transient(key, &entry(owner, row)?)?)
        })
    }

    fn profiles(&self) -> Result<(), Error> {
        let select = "SELECT owner, fallback, always_jids, never_jids FROM plain_archive_prefs";
        self.owned(select, |owner, key, mut row| {
            let prefs = ArchivePrefs {
                fallback: archive_prefs::Fallback::from_int(row.int()?)?,
                always: text_list::decode(&row.text()?)?,
                never: text_list::decode(&row.text()?)?,
            };
            let sealed = key.seal(archive_prefs::place(owner), archive_prefs::fields(&prefs))?;
            self.run("INSERT INTO archive_prefs (owner, sealed) VALUES (?, ?)", [owner.into(), sealed])
        })?;
        self.owned("SELECT owner, jid FROM plain_blocklist", |owner, key, mut row| {
            let columns = blocklist::columns(key, owner, &row.text()?)?;
            self.run("INSERT INTO blocklist (owner, jid_hash, sealed) VALUES (?, ?, ?)", columns)
        })?;
        self.owned("SELECT owner, namespace, name, xml FROM plain_private_xml", |owner, key, mut row| {
            let element = PrivateXml { namespace: row.text()?, name: row.text()?, xml: row.text()? };
            let columns = private_xml::columns(key, owner, &element)?;
            self.run("INSERT INTO private_xml (owner, key_hash, bytes, sealed) VALUES (?, ?, ?, ?)", columns)
        })?;
        self.owned("SELECT owner, xml, photo_sha1 FROM plain_vcards", |owner, key, mut row| {
            let vcard = Vcard { xml: row.text()?, photo_sha1: row.opt_text()? };
            let sealed = key.seal(vcards::place(owner), vcards::fields(&vcard))?;
            self.run("INSERT INTO vcards (owner, sealed) VALUES (?, ?)", [owner.into(), sealed])
        })
    }

    fn devices(&self) -> Result<(), Error> {
        let select = "SELECT owner, id, software, name, by_password, first_seen_ms, last_seen_ms FROM plain_devices";
        let insert = "\
INSERT INTO devices (owner, id, sealed, by_password, first_seen_ms, last_seen_ms) VALUES (?, ?, ?, ?, ?, ?)";
        self.owned(select, |owner, key, mut row| {
            let (id, software, name) = (devices::read_id(&mut row)?, row.opt_text()?, row.opt_text()?);
            let names = (software.as_deref(), name.as_deref());
            let sealed = key.seal(devices::place(owner, id), devices::fields(names))?;
            let (by_password, first, last) = (row.bool()?, row.int()?, row.int()?);
            self.run(insert, [owner.into(), id.into(), sealed, by_password.into(), first.into(), last.into()])
        })
    }
}

fn scram_keys(row: &mut Row) -> Result<ScramKeys, Error> {
    Ok(ScramKeys {
        salt: row.blob()?,
        iterations: u32::try_from(row.int()?).map_err(|_| Error::Corrupt("iterations out of range".into()))?,
        stored_key: row.blob()?,
        server_key: row.blob()?,
    })
}

fn entry(owner: AccountId, mut row: Row) -> Result<Entry, Error> {
    Ok(Entry {
        owner,
        id: archive::read_id(&mut row)?,
        peer: row.text()?,
        peer_resource: row.opt_text()?,
        direction: Direction::from_int(row.int()?)?,
        stanza: row.blob()?,
        archived: true,
        undelivered: false,
    })
}
