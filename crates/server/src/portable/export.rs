//! Exporting accounts as one file of XEP-0227, an element at a time: an account with millions of messages needs no
//! more memory than one with ten.

use std::io::{self, Write};

use bytes::Bytes;
use jid::DomainRef;
use storage::accounts::Account as Row;
use storage::archive::{self, Filter, Paging, Stored};
use storage::{AccountId, ArchiveId, Db, archive_prefs, blocklist, private_xml, roster, undelivered, vcards};
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::sasl::Hash;
use xmpp::xep::portable;
use xmpp::xml::{Element, escape_attribute_into};

use super::import::Refusal;
use crate::credentials::keys_of;
use crate::{clock, mailbox, pep};

/// Messages read at a time.
const PAGE_MESSAGES: u32 = 250;

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be written.
    #[error("cannot write the export: {0}")]
    Io(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What an export has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Accounts.
    pub accounts: u64,
    /// Archived messages.
    pub messages: u64,
    /// Messages that wait.
    pub undelivered: u64,
    /// What was left out, because no other server could read it.
    pub refused: Vec<Refusal>,
}

/// A file of one host that is being written.
pub struct Exporter<'a, W> {
    db: &'a Db,
    domain: &'a DomainRef,
    out: W,
    exported: Exported,
}

impl<'a, W: Write> Exporter<'a, W> {
    /// Begins the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(db: &'a Db, domain: &'a DomainRef, mut out: W) -> Result<Self, ExportError> {
        let mut host = String::new();
        escape_attribute_into(&mut host, domain.as_str());
        writeln!(out, "<?xml version='1.0' encoding='UTF-8'?>")?;
        writeln!(out, "<server-data xmlns='{}'>", ns::PORTABLE)?;
        writeln!(out, "<host jid='{host}'>")?;
        Ok(Self { db, domain, out, exported: Exported::default() })
    }

    /// Writes an account with all that is its own.
    ///
    /// # Errors
    /// When the database fails or the file cannot be written.
    pub async fn account(&mut self, row: &Row) -> Result<(), ExportError> {
        let own = format!("{}@{}", row.localpart, self.domain);
        let mut name = String::new();
        escape_attribute_into(&mut name, &row.localpart);
        writeln!(self.out, "<user name='{name}'>")?;
        for keys in [Hash::Sha1, Hash::Sha256].into_iter().filter_map(|hash| keys_of(&row.credentials, hash)) {
            writeln!(self.out, "{}", portable::scram_credentials(&keys))?;
        }
        writeln!(self.out, "{}", state(row))?;
        self.settings(row.id, &own).await?;
        self.contacts(row.id, &own).await?;
        self.archive(row.id, &own).await?;
        self.undelivered(row.id, &own).await?;
        writeln!(self.out, "</user>")?;
        self.exported.accounts += 1;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> Result<(W, Exported), ExportError> {
        writeln!(self.out, "</host>")?;
        writeln!(self.out, "</server-data>")?;
        self.out.flush()?;
        Ok((self.out, self.exported))
    }

    async fn settings(&mut self, id: AccountId, own: &str) -> Result<(), ExportError> {
        if let Some(prefs) = archive_prefs::load(self.db, id).await? {
            writeln!(self.out, "{}", crate::ext::archive_prefs::write(&prefs))?;
        }
        if let Some(vcard) = vcards::load(self.db, id).await? {
            self.foreign(own, &vcard.xml.into(), "", "the vCard")?;
        }
        let private = private_xml::list(self.db, id).await?;
        if !private.is_empty() {
            write!(self.out, "<query xmlns='{}'>", ns::PRIVATE_XML)?;
            for element in private {
                self.foreign(own, &element.xml.into(), "", "an element of private XML")?;
            }
            writeln!(self.out, "</query>")?;
        }
        self.published(id, own).await?;
        let blocked = blocklist::list(self.db, id).await?;
        if !blocked.is_empty() {
            writeln!(self.out, "{}", portable::privacy_list(blocked.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    async fn published(&mut self, id: AccountId, own: &str) -> Result<(), ExportError> {
        let pep::Exported { nodes, items } = pep::export(self.db, id).await?;
        if nodes.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{nodes}")?;
        let mut name = String::new();
        writeln!(self.out, "<pubsub xmlns='{}'>", ns::PUBSUB)?;
        for (node, items) in items {
            name.clear();
            escape_attribute_into(&mut name, &node);
            writeln!(self.out, "<items node='{name}'>")?;
            for item in items {
                let Some(payload) = self.readable(own, &item.payload.into(), "", "a published item") else { continue };
                writeln!(self.out, "{}", Xml::bare("item").attr("id", item.id).raw(&payload))?;
            }
            writeln!(self.out, "</items>")?;
        }
        writeln!(self.out, "</pubsub>")?;
        Ok(())
    }

    async fn contacts(&mut self, id: AccountId, own: &str) -> Result<(), ExportError> {
        let items = roster::load(self.db, id).await?.items;
        write!(self.out, "<query xmlns='{}'>", ns::ROSTER)?;
        for item in items.iter().filter(|item| item.in_roster) {
            write!(self.out, "{}", crate::roster::item_xml(item))?;
        }
        writeln!(self.out, "</query>")?;
        for request in items.into_iter().filter_map(|item| item.pending_in) {
            self.foreign(own, &request, "", "a subscription request")?;
        }
        Ok(())
    }

    async fn archive(&mut self, id: AccountId, own: &str) -> Result<(), ExportError> {
        writeln!(self.out, "<archive xmlns='{}'>", ns::PORTABLE_ARCHIVE)?;
        let mut after = None;
        loop {
            let (messages, complete) = archive_page(self.db, id, &Filter::default(), after).await?;
            after = messages.last().map(|stored| stored.id).or(after);
            for stored in messages {
                let Some(message) = self.readable(own, &stored.stanza, "", &named(stored.id)) else { continue };
                let (mam, forward, delay) = (ns::MAM, ns::FORWARD, ns::DELAY);
                let (id, stamp) = (stored.id, clock::xmpp_time(stored.id.at_ms()));
                write!(self.out, "<result xmlns='{mam}' id='{id}'><forwarded xmlns='{forward}'>")?;
                writeln!(self.out, "<delay xmlns='{delay}' stamp='{stamp}'/>{message}</forwarded></result>")?;
                self.exported.messages += 1;
            }
            if complete {
                break;
            }
        }
        writeln!(self.out, "</archive>")?;
        Ok(())
    }

    /// What waits, as it would be delivered: with its id and its time.
    async fn undelivered(&mut self, id: AccountId, own: &str) -> Result<(), ExportError> {
        writeln!(self.out, "<offline-messages>")?;
        let mut after: Option<ArchiveId> = None;
        loop {
            let page = undelivered::page(self.db, id, after, PAGE_MESSAGES).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for stored in page {
                let stamps = format!(
                    "{}{}",
                    mailbox::stanza_id(own, stored.id),
                    mailbox::delay(self.domain.as_str(), stored.id)
                );
                self.exported.undelivered +=
                    u64::from(self.foreign(own, &stored.stanza, &stamps, &named(stored.id))?);
            }
        }
        writeln!(self.out, "</offline-messages>")?;
        Ok(())
    }

    /// Writes XML that came from clients; whether it could be written.
    fn foreign(&mut self, own: &str, xml: &Bytes, children: &str, what: &str) -> Result<bool, io::Error> {
        let Some(text) = self.readable(own, xml, children, what) else { return Ok(false) };
        writeln!(self.out, "{text}")?;
        Ok(true)
    }

    /// XML as every parser reads it, with its namespace. One that others would refuse would spoil the whole file.
    fn readable(&mut self, own: &str, xml: &Bytes, children: &str, what: &str) -> Option<String> {
        let whole = if children.is_empty() { xml.clone() } else { mailbox::with_children(xml, children) };
        let tree = Element::parse(whole, ns::CLIENT).and_then(|element| element.to_dom());
        if tree.is_err() {
            let what = format!("{what} has names that other parsers refuse");
            self.exported.refused.push(Refusal { account: own.to_owned(), what });
        }
        tree.ok().map(|tree| String::from(&tree))
    }
}

/// A page of an archive after a message, and whether it is the last.
pub(super) async fn archive_page(
    db: &Db,
    id: AccountId,
    filter: &Filter,
    after: Option<ArchiveId>,
) -> Result<(Vec<Stored>, bool), storage::Error> {
    let paging = Paging { after, ..Paging::first(PAGE_MESSAGES) };
    match archive::page(db, id, filter, &paging).await? {
        Some(page) => Ok((page.messages, page.complete)),
        None => {
            // It has been purged: what is left begins after its time.
            let start_ms = after.map(|after| after.at_ms().saturating_add(1));
            let filter = Filter { start_ms, ..filter.clone() };
            let page = archive::page(db, id, &filter, &Paging::first(PAGE_MESSAGES)).await?.unwrap_or_default();
            Ok((page.messages, page.complete))
        }
    }
}

fn named(id: ArchiveId) -> String {
    format!("the message {id} of {}", clock::xmpp_time(id.at_ms()))
}

/// What XEP-0227 has no place for.
fn state(row: &Row) -> Xml {
    let seen = row.last_seen.as_ref();
    Xml::new("account", ns::PORTABLE_ACCOUNT)
        .attr_opt("disabled", row.disabled.then_some("true"))
        .attr_opt("last-seen", seen.map(|seen| clock::xmpp_time(seen.at_ms)))
        .text(seen.and_then(|seen| seen.status.as_deref()).unwrap_or_default())
}
