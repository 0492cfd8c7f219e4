//! One account on its way in: made disabled and without keys, filled, and opened once it is whole. An import that was
//! interrupted leaves it so, and `--merge` completes it.

use bytes::Bytes;
use jid::{BareJid, NodePart};
use minidom::Element;
use storage::accounts::{self, Account as Row, Credentials, LastSeen};
use storage::roster::Item;
use storage::{AccountId, ArchiveId, Db, archive_prefs, blocklist, private_xml, roster, vcards};
use tokio::task::JoinSet;
use xmpp::address;
use xmpp::sasl::{Hash, Password, ScramKeys};
use xmpp::xep::portable::Blocked;

use super::entry::{self, Entry, State};
use super::messages::{Mailbox, Unplaced};
use super::source::Section;
use crate::credentials::{kept, keys_of, no_keys};
use crate::pep;
use crate::provisioning;

/// Contacts written at a time.
const CONTACTS_AT_ONCE: usize = 64;

/// Why something of the account was not taken.
pub(super) enum Failed {
    /// These things are faulty; the account goes on without them.
    Entries(Vec<String>),
    /// It is nothing that is known here.
    Unknown,
    /// The database.
    Storage(storage::Error),
}

impl From<storage::Error> for Failed {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<Unplaced> for Failed {
    fn from(unplaced: Unplaced) -> Self {
        match unplaced {
            Unplaced::Refused(what) => Self::Entries(vec![what]),
            Unplaced::Storage(error) => Self::Storage(error),
        }
    }
}

/// An account that is being filled. What it has already stays; the file only adds to it.
pub(super) struct Account {
    db: Db,
    id: AccountId,
    jid: BareJid,
    /// Nobody has logged in yet: it was made by this import, or by one that was interrupted.
    fresh: bool,
    /// This import made it.
    created: bool,
    keys: Vec<ScramKeys>,
    password: Option<Password>,
    state: State,
    /// The last item that was published.
    published: ArchiveId,
    /// Its messages.
    pub(super) mailbox: Mailbox,
}

impl Account {
    /// Makes the account, or takes the one that is there.
    pub(super) async fn open(
        db: &Db,
        jid: BareJid,
        found: Option<Row>,
        now_ms: i64,
        keeps_history: bool,
    ) -> Result<Self, storage::Error> {
        let localpart = jid.node().map(|node| node.as_str().to_owned()).unwrap_or_default();
        let created = found.is_none();
        let fresh = found.as_ref().is_none_or(|row| row.disabled && !has_keys(&row.credentials));
        let id = match found {
            Some(row) => row.id,
            None => {
                let taken = || storage::Error::Conflict(String::from("the account was made by somebody else just now"));
                let id = accounts::create(db, &localpart, &nothing(), now_ms).await?.ok_or_else(taken)?;
                accounts::set_disabled(db, id, true).await?;
                id
            }
        };
        let mailbox = Mailbox::open(db, (id, jid.clone()), now_ms, (fresh, keeps_history)).await?;
        let (keys, state) = (Vec::new(), State::default());
        Ok(Self {
            db: db.clone(),
            id,
            jid,
            fresh,
            created,
            keys,
            password: None,
            state,
            published: ArchiveId::first_at(now_ms),
            mailbox,
        })
    }

    /// Its name.
    pub(super) fn localpart(&self) -> Option<NodePart> {
        self.jid.node().map(|node| node.to_owned())
    }

    /// Notes the password that the file has in plain text.
    pub(super) fn set_password(&mut self, password: Password) {
        self.password = Some(password);
    }

    /// Takes something of the account's.
    pub(super) async fn take(&mut self, section: Section, element: &Element, file_ms: i64) -> Result<(), Failed> {
        match section {
            Section::Archive => Ok(self.mailbox.archived(element).await?),
            Section::Offline => Ok(self.mailbox.undelivered(element, file_ms).await?),
            Section::User => {
                let entry = entry::read(element, &self.jid).map_err(|what| Failed::Entries(vec![what]))?;
                self.take_entry(entry).await
            }
        }
    }

    /// Everything was read: the account is opened.
    pub(super) async fn finish(&mut self) -> Result<(), Failed> {
        let placed = self.mailbox.finish().await;
        if let Err(Unplaced::Storage(error)) = placed {
            return Err(error.into());
        }
        let mut missing = Vec::new();
        if self.fresh {
            match self.credentials().await {
                Some(credentials) => _ = accounts::set_credentials(&self.db, self.id, &credentials).await?,
                None => missing.push(String::from(
                    "no password that this server could check: set one with \"whimbreld user passwd\"",
                )),
            }
            if let Some((at_ms, status)) = self.state.last_seen.take() {
                accounts::touch_last_seen(&self.db, self.id, LastSeen { at_ms, status }).await?;
            }
            accounts::set_disabled(&self.db, self.id, self.state.disabled).await?;
        }
        placed?;
        if missing.is_empty() { Ok(()) } else { Err(Failed::Entries(missing)) }
    }

    /// Takes an account away that this import made and could not fill.
    pub(super) async fn undo(&self) -> Result<(), storage::Error> {
        if self.created {
            accounts::delete(&self.db, self.id).await?;
        }
        Ok(())
    }

    async fn take_entry(&mut self, entry: Entry) -> Result<(), Failed> {
        let (db, id) = (&self.db, self.id);
        match entry {
            Entry::Scram(keys) => self.keys.push(keys),
            Entry::State(state) => self.state = state,
            Entry::Roster(items, refused) => {
                self.add_contacts(items).await?;
                return if refused.is_empty() { Ok(()) } else { Err(Failed::Entries(refused)) };
            }
            Entry::Request(from, stanza) => self.add_request(&from, stanza).await?,
            Entry::Private(elements) => {
                let mut fresh = Vec::new();
                for element in elements {
                    if private_xml::load(db, id, &element.namespace, &element.name).await?.is_none() {
                        fresh.push(element);
                    }
                }
                private_xml::store(db, id, fresh).await?;
            }
            Entry::Vcard(vcard) => {
                if vcards::load(db, id).await?.is_none() {
                    vcards::store(db, id, vcard).await?;
                }
            }
            Entry::Prefs(prefs) => {
                if archive_prefs::load(db, id).await?.is_none() {
                    archive_prefs::store(db, id, &prefs).await?;
                }
            }
            Entry::Nodes(nodes) => {
                pep::import(db, (id, &self.jid), nodes, Vec::new(), &mut self.published).await?;
            }
            Entry::Items(items) => {
                pep::import(db, (id, &self.jid), Vec::new(), items, &mut self.published).await?;
            }
            Entry::Blocked(blocked) => return self.block(blocked).await,
            Entry::Unknown => return Err(Failed::Unknown),
        }
        Ok(())
    }

    /// Adds contacts that are not there yet; a request that waits stays with its contact.
    async fn add_contacts(&self, items: Vec<Item>) -> Result<(), storage::Error> {
        let there = roster::load(&self.db, self.id).await?.items;
        let mut adding = JoinSet::new();
        for mut item in items {
            if let Some(before) = there.iter().find(|before| before.jid == item.jid) {
                if before.in_roster {
                    continue;
                }
                item.pending_in.clone_from(&before.pending_in);
            }
            let (db, id) = (self.db.clone(), self.id);
            adding.spawn(async move { roster::upsert(&db, id, &item).await });
            if adding.len() >= CONTACTS_AT_ONCE {
                done(adding.join_next().await)?;
            }
        }
        while let Some(added) = adding.join_next().await {
            done(Some(added))?;
        }
        Ok(())
    }

    async fn add_request(&self, from: &BareJid, stanza: Bytes) -> Result<(), storage::Error> {
        let before = roster::item(&self.db, self.id, from.as_str()).await?;
        let mut item = before.unwrap_or_else(|| crate::roster::new_item(from));
        // Answered since, or asked already.
        if item.pending_in.is_none() && !item.subscription.has_from() {
            item.pending_in = Some(stanza);
            roster::upsert(&self.db, self.id, &item).await?;
        }
        Ok(())
    }

    async fn block(&self, blocked: Blocked) -> Result<(), Failed> {
        let mut problems = Vec::new();
        let mut jids = Vec::new();
        for text in blocked.jids {
            match address::parse(&text).filter(|jid| jid.to_bare() != self.jid) {
                Some(jid) => jids.push(jid.to_string()),
                None => problems.push(format!("a blocked JID that is \"{}\"", text.escape_debug())),
            }
        }
        blocklist::add(&self.db, self.id, &jids).await?;
        if blocked.lost > 0 {
            problems.push(format!("{} privacy rules that a block list cannot express", blocked.lost));
        }
        if problems.is_empty() { Ok(()) } else { Err(Failed::Entries(problems)) }
    }

    /// What verifies the password: made from it where the file has it, else what the file has.
    async fn credentials(&mut self) -> Option<Credentials> {
        if let Some(password) = self.password.take() {
            return provisioning::hash(password).await.ok();
        }
        let of = |hash| self.keys.iter().find(|keys| keys.hash == hash).cloned().map(kept);
        match (of(Hash::Sha1), of(Hash::Sha256)) {
            (None, None) => None,
            (sha1, sha256) => {
                Some(Credentials { sha1: sha1.unwrap_or_else(no_keys), sha256: sha256.unwrap_or_else(no_keys) })
            }
        }
    }
}

fn done(added: Option<Result<Result<i64, storage::Error>, tokio::task::JoinError>>) -> Result<(), storage::Error> {
    match added {
        Some(Ok(added)) => added.map(drop),
        Some(Err(_)) => Err(storage::Error::Unavailable),
        None => Ok(()),
    }
}

fn nothing() -> Credentials {
    Credentials { sha1: no_keys(), sha256: no_keys() }
}

fn has_keys(credentials: &Credentials) -> bool {
    [Hash::Sha1, Hash::Sha256].into_iter().any(|hash| keys_of(credentials, hash).is_some())
}
