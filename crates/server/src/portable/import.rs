//! Importing a file of XEP-0227: it is read once to see that it can be, and once to import it. A file that is broken
//! anywhere changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use jid::{BareJid, DomainPart, DomainRef, NodePart};
use storage::{Db, accounts};
use xmpp::address;
use xmpp::sasl::Password;

use super::account::{Account, Failed};
use super::source::{BadFile, Piece, Source};

/// Refusals told of one account; more of them are counted.
const REFUSALS_MAX: u64 = 100;
/// Names of unknown things that are told apart.
const NAMES_IGNORED_MAX: usize = 100;

/// What an import needs to know.
pub struct Import<'a> {
    /// Where to.
    pub db: &'a Db,
    /// The domain that is served: users of other hosts are refused.
    pub domain: &'a DomainRef,
    /// Messages stay after their delivery.
    pub keeps_history: bool,
    /// Adds to accounts that exist; without it they are refused.
    pub merge: bool,
    /// Unix time in milliseconds.
    pub now_ms: i64,
}

/// Something that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose, or which host.
    pub account: String,
    /// What, and why, for a person.
    pub what: String,
}

/// What happens while a file is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something was refused.
    Refused(Refusal),
    /// An account is complete. A running server does not know yet.
    Complete(NodePart),
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts that were made or added to.
    pub accounts: u64,
    /// Accounts that were refused.
    pub accounts_refused: u64,
    /// Messages that were stored.
    pub messages: u64,
    /// Messages that were there already.
    pub messages_known: u64,
    /// Entries that were refused, accounts not counted.
    pub entries_refused: u64,
    /// What this server has no place for, by name, and how often.
    pub ignored: BTreeMap<String, u64>,
}

/// Why an import ended.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file; nothing was imported.
    #[error(transparent)]
    File(#[from] BadFile),
    /// The database. The account that was being made is gone again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Import<'_> {
    /// Imports a file with all it includes. `tell` hears of what happens.
    ///
    /// # Errors
    /// [`ImportError::File`] when it cannot be read to its end, [`ImportError::Storage`] when the database fails.
    pub async fn file(&self, path: &Path, tell: &mut dyn FnMut(News)) -> Result<Imported, ImportError> {
        let mut source = Source::open(path)?;
        while source.next()?.is_some() {}

        let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let file_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX).min(self.now_ms);
        let (imported, current) = (Imported::default(), String::new());
        let mut run = Run { import: self, file_ms, tell, imported, host: Host::None, current, refused: 0 };
        let mut source = Source::open(path)?;
        let mut account = None;
        while let Some(piece) = source.next()? {
            if let Err(error) = run.take(piece, &mut account).await {
                if let Some(account) = account {
                    // Half an account is worse than none; what the database says about that adds nothing.
                    let _ = account.undo().await;
                }
                return Err(error.into());
            }
        }
        Ok(run.imported)
    }
}

/// The host whose users follow.
enum Host {
    None,
    Ours,
    Other,
}

struct Run<'a> {
    import: &'a Import<'a>,
    file_ms: i64,
    tell: &'a mut dyn FnMut(News),
    imported: Imported,
    host: Host,
    /// The account that is being filled, for messages.
    current: String,
    /// How many of its entries were refused.
    refused: u64,
}

impl Run<'_> {
    async fn take(&mut self, piece: Piece, account: &mut Option<Account>) -> Result<(), storage::Error> {
        match piece {
            Piece::Host(jid) => {
                let is_ours = DomainPart::new(&jid).is_ok_and(|domain| *domain == *self.import.domain);
                self.host = if is_ours { Host::Ours } else { Host::Other };
                if !is_ours {
                    let account = format!("every account of {}", jid.escape_debug());
                    self.tell(account, format!("this server serves {}", self.import.domain));
                }
            }
            Piece::User(name, password) => *account = self.begin(&name, password).await?,
            Piece::Entry(section, element) => {
                let Some(account) = account else { return Ok(()) };
                let taken = account.take(section, &element, self.file_ms).await;
                self.note(taken, &format!("{} of {}", element.name(), element.ns()))?;
            }
            Piece::UserEnd => return self.end(account).await,
            Piece::Unknown(what) => self.ignore(what),
        }
        Ok(())
    }

    /// The account of a user that begins; none when it is refused.
    async fn begin(&mut self, name: &str, password: Option<String>) -> Result<Option<Account>, storage::Error> {
        self.refused = 0;
        if !matches!(self.host, Host::Ours) {
            self.imported.accounts_refused += 1;
            return Ok(None);
        }
        let Import { db, domain, now_ms, keeps_history, merge } = *self.import;
        let Some(localpart) = address::localpart(name) else {
            self.current = format!("{}@{domain}", name.escape_debug());
            return Ok(self.refuse_account("that cannot be the name of an account"));
        };
        let jid = BareJid::from_parts(Some(&localpart), domain);
        self.current = jid.to_string();
        let found = accounts::by_localpart(db, localpart.as_str()).await?;
        if found.is_some() && !merge {
            return Ok(self.refuse_account("it exists already: use --merge to add to it, or delete it first"));
        }
        let mut account = Account::open(db, jid, found, now_ms, keeps_history).await?;
        match password.filter(|text| !text.is_empty()).map(|text| Password::prepare(&text)) {
            Some(Ok(password)) => account.set_password(password),
            Some(Err(error)) => self.refuse_entry(format!("its password: {error}")),
            None => {}
        }
        Ok(Some(account))
    }

    /// The user is complete. An account that could not be finished stays, to be undone.
    async fn end(&mut self, account: &mut Option<Account>) -> Result<(), storage::Error> {
        let Some(filled) = account else { return Ok(()) };
        let finished = filled.finish().await;
        self.note(finished, "")?;
        self.imported.accounts += 1;
        self.imported.messages += filled.mailbox.stored;
        self.imported.messages_known += filled.mailbox.known;
        if self.refused > REFUSALS_MAX {
            let more = self.refused - REFUSALS_MAX;
            self.tell(self.current.clone(), format!("{more} entries more"));
        }
        if let Some(localpart) = filled.localpart() {
            (self.tell)(News::Complete(localpart));
        }
        *account = None;
        Ok(())
    }

    fn note(&mut self, taken: Result<(), Failed>, name: &str) -> Result<(), storage::Error> {
        match taken {
            Ok(()) => {}
            Err(Failed::Storage(error)) => return Err(error),
            Err(Failed::Unknown) => self.ignore(name.to_owned()),
            Err(Failed::Entries(problems)) => problems.into_iter().for_each(|what| self.refuse_entry(what)),
        }
        Ok(())
    }

    fn refuse_account(&mut self, what: &str) -> Option<Account> {
        self.imported.accounts_refused += 1;
        self.tell(self.current.clone(), what.to_owned());
        None
    }

    fn refuse_entry(&mut self, what: String) {
        self.refused += 1;
        self.imported.entries_refused += 1;
        if self.refused <= REFUSALS_MAX {
            self.tell(self.current.clone(), what);
        }
    }

    /// Counts what is not known; a file that makes up a new name each time is counted under one.
    fn ignore(&mut self, name: String) {
        let is_room = self.imported.ignored.len() < NAMES_IGNORED_MAX || self.imported.ignored.contains_key(&name);
        let name = if is_room { name } else { String::from("other things") };
        *self.imported.ignored.entry(name).or_default() += 1;
    }

    fn tell(&mut self, account: String, what: String) {
        (self.tell)(News::Refused(Refusal { account, what }));
    }
}

#[cfg(test)]
mod tests {
    use storage::{MasterKeys, Options, archive, undelivered};

    use super::*;

    const NOW_MS: i64 = 1_795_487_221_250;

    /// Alice with a password, one archived message, one that waits, and one that waits and is in the archive.
    fn file(dir: &Path) -> std::path::PathBuf {
        let message = |id: &str| {
            format!("<message xmlns='jabber:client' from='bob@x' to='alice@x' id='{id}' type='chat'><body>{id}</body>")
        };
        let result = |id: &str, stamp: &str| {
            format!(
                "<result xmlns='urn:xmpp:mam:2' id='{id}'><forwarded xmlns='urn:xmpp:forward:0'>\
                 <delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>{}</message></forwarded></result>",
                message(id)
            )
        };
        let waiting = |id: &str, stamp: &str| {
            format!("{}<delay xmlns='urn:xmpp:delay' from='x' stamp='{stamp}'/></message>", message(id))
        };
        let text = format!(
            "<server-data xmlns='urn:xmpp:pie:0'><host jid='x'><user name='alice' password='secret'>\
             <offline-messages>{}{}</offline-messages>\
             <archive xmlns='urn:xmpp:pie:0#mam'>{}{}</archive></user></host></server-data>",
            waiting("b", "2020-01-01T00:00:01.250Z"),
            waiting("c", "2020-01-01T00:00:02Z"),
            result("a", "2020-01-01T00:00:00Z"),
            result("b", "2020-01-01T00:00:01.250Z"),
        );
        let path = dir.join("in.xml");
        fs::write(&path, text).unwrap();
        path
    }

    async fn import(db: &Db, path: &Path) -> Imported {
        let domain = DomainPart::new("x").unwrap().into_owned();
        let import = Import { db, domain: &domain, keeps_history: true, merge: true, now_ms: NOW_MS };
        import.file(path, &mut |_| {}).await.unwrap()
    }

    async fn texts(db: &Db) -> (Vec<String>, Vec<String>) {
        let alice = accounts::by_localpart(db, "alice").await.unwrap().unwrap();
        let body = |stored: storage::archive::Stored| {
            let xml = String::from_utf8(stored.stanza.to_vec()).unwrap();
            xml.split("<body>").nth(1).and_then(|rest| rest.chars().next()).unwrap_or('?').to_string()
        };
        let page = archive::page(db, alice.id, &archive::Filter::default(), &archive::Paging::first(50)).await;
        let waiting = undelivered::page(db, alice.id, None, 50).await.unwrap();
        (page.unwrap().unwrap().messages.into_iter().map(body).collect(), waiting.into_iter().map(body).collect())
    }

    #[tokio::test]
    async fn an_import_that_was_interrupted_is_completed_and_delivers_once() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open("sqlite:a.db", dir.path(), &Options::new(MasterKeys::one([1; 32]).unwrap())).await.unwrap();
        let path = file(dir.path());
        // It ends without a word after the archive.
        let jid = BareJid::new("alice@x").unwrap();
        let mut half = Account::open(&db, jid, None, NOW_MS, true).await.unwrap();
        let mut source = Source::open(&path).unwrap();
        while let Some(piece) = source.next().unwrap() {
            if let Piece::Entry(section, element) = piece {
                assert!(half.take(section, &element, 0).await.is_ok());
            }
        }
        assert!(half.mailbox.finish().await.is_ok());
        let left = accounts::by_localpart(&db, "alice").await.unwrap().unwrap();
        assert!(left.disabled && left.credentials.sha256.iterations == 0);

        let imported = import(&db, &path).await;
        assert_eq!((imported.accounts, imported.messages), (1, 0));
        let expected = (vec!["a".into(), "b".into(), "c".into()], vec!["b".into(), "c".into()]);
        assert_eq!(texts(&db).await, expected);
        let whole = accounts::by_localpart(&db, "alice").await.unwrap().unwrap();
        assert!(!whole.disabled && whole.credentials.sha256.iterations > 0);

        // Alice has read it all: it does not come again.
        let waiting = undelivered::page(&db, whole.id, None, 50).await.unwrap();
        let ids: Vec<_> = waiting.iter().map(|stored| stored.id).collect();
        undelivered::clear(&db, whole.id, &ids).await.unwrap();
        db.settle().await.unwrap();
        assert_eq!(import(&db, &path).await.messages, 0);
        assert_eq!(texts(&db).await, (vec!["a".into(), "b".into(), "c".into()], Vec::new()));
        db.close().await;
    }
}
