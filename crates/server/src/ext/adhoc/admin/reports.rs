//! Commands that tell about accounts and change nothing (XEP-0133 §4.9, §4.10 and §4.13 to §4.20).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::BareJid;
use storage::accounts::{self, Account};
use xmpp::build::Xml;
use xmpp::error::StanzaError;
use xmpp::xep::data_form::{self, Submission};

use super::form;
use crate::clock;
use crate::host::Host;
use crate::provisioning;
use crate::sessions::Session;

/// Accounts read from the database at a time.
const PAGE_ACCOUNTS: u32 = 500;
/// A user counts as active who sent something in the last so many milliseconds.
const ACTIVE_MS: i64 = 5 * 60 * 1_000;
/// The lengths of a list that the form offers, besides no bound.
const LIST_LENGTHS: [&str; 6] = ["25", "50", "75", "100", "150", "200"];

pub(super) fn last_login_form() -> Xml {
    let fields = vec![form::accounts_field("The Jabber ID(s) for which to retrieve the last login time")];
    form::form("Getting a User's Last Login Time", "Fill out this form to get a user's last login time.", fields)
}

/// When each user was last here: now for who is connected, empty for who never was.
pub(super) async fn last_login(host: &Host, form: &Submission) -> Result<Xml, StanzaError> {
    let jids = form::accounts(form)?;
    let mut times = Vec::with_capacity(jids.len());
    for jid in &jids {
        let account = provisioning::stored(host, jid).await?;
        let online = !host.sessions.of(&account.localpart).is_empty();
        let at_ms = if online { Some(host.clock.now_ms()) } else { account.last_seen.map(|seen| seen.at_ms) };
        times.push(at_ms.map(clock::xmpp_time).unwrap_or_default());
    }
    let jids = jids.iter().map(|jid| jid.as_str());
    Ok(form::result(vec![
        data_form::values("accountjids", "jid-multi", jids),
        data_form::values("lastlogin", "text-multi", times),
    ]))
}

pub(super) fn stats_form() -> Xml {
    let fields = vec![form::account_field("The Jabber ID for statistics")];
    form::form("Get User Statistics", "Fill out this form to gather user statistics.", fields)
}

pub(super) async fn stats(host: &Arc<Host>, form: &Submission) -> Result<Xml, StanzaError> {
    let jid = form::account(form)?;
    provisioning::stored(host, &jid).await?;
    let account = host.accounts.find(&host.db, &jid).await?.ok_or(provisioning::Error::Missing)?;
    let contacts = account
        .with_roster(&host.db, async |roster| Ok(roster.items().filter(|(_, item)| item.in_roster).count()))
        .await?;
    let sessions = host.sessions.of(account.localpart());
    let addresses: BTreeSet<String> = sessions.iter().map(|session| session.ip.to_string()).collect();
    let resources = sessions.iter().map(|session| session.jid.resource().as_str());
    Ok(form::result(vec![
        data_form::values("ipaddresses", "text-multi", addresses),
        data_form::values("rostersize", "text-single", [contacts.to_string()]),
        data_form::values("onlineresources", "text-multi", resources),
    ]))
}

pub(super) async fn registered_num(host: &Host) -> Result<Xml, StanzaError> {
    let count = accounts::count(&host.db).await?;
    Ok(number("registeredusersnum", "The number of registered users", count))
}

pub(super) async fn disabled_num(host: &Host) -> Result<Xml, StanzaError> {
    let mut count = 0_u64;
    each_account(host, |account| {
        count += u64::from(account.disabled);
        true
    })
    .await?;
    Ok(number("disabledusersnum", "The number of disabled users", count))
}

pub(super) fn online_num(host: &Host) -> Xml {
    let count = users(&host.sessions.all(), |_| true).len();
    number("onlineusersnum", "The number of online users", count)
}

pub(super) fn active_num(host: &Host) -> Xml {
    let since_ms = host.clock.now_ms() - ACTIVE_MS;
    let count = users(&host.sessions.all(), |session| session.heard_ms.load(Ordering::Relaxed) >= since_ms).len();
    number("activeusersnum", "The number of active users", count)
}

/// The form of the commands that list accounts.
pub(super) fn list_form(title: &str) -> Xml {
    let option = |label: &str, value: &str| Xml::bare("option").attr("label", label).text_child("value", value);
    let max_items = data_form::field("max_items", "list-single", "Maximum number of items to show", false)
        .children(LIST_LENGTHS.map(|length| option(length, length)))
        .child(option("None", "none"));
    form::form(title, "Fill out this form to request the users of this service.", vec![max_items])
}

pub(super) async fn registered_list(host: &Host, form: &Submission) -> Result<Xml, StanzaError> {
    list_accounts(host, form, "registereduserjids", "The list of all users", |_| true).await
}

pub(super) async fn disabled_list(host: &Host, form: &Submission) -> Result<Xml, StanzaError> {
    list_accounts(host, form, "disableduserjids", "The list of all disabled users", |account| account.disabled).await
}

pub(super) fn online_list(host: &Host, form: &Submission) -> Result<Xml, StanzaError> {
    let mut list = List::new(host, form)?;
    for jid in users(&host.sessions.all(), |_| true) {
        if !list.push(jid.as_str()) {
            break;
        }
    }
    Ok(list.into_xml("onlineuserjids", "The list of all online users"))
}

async fn list_accounts(
    host: &Host,
    form: &Submission,
    var: &str,
    label: &str,
    wanted: impl Fn(&Account) -> bool,
) -> Result<Xml, StanzaError> {
    let mut list = List::new(host, form)?;
    let domain = host.domain.as_str();
    each_account(host, |account| !wanted(account) || list.push(&format!("{}@{domain}", account.localpart))).await?;
    Ok(list.into_xml(var, label))
}

/// Shows every account to `visit`, oldest first, until it returns false.
async fn each_account(host: &Host, mut visit: impl FnMut(&Account) -> bool) -> Result<(), StanzaError> {
    let mut after = None;
    loop {
        let page = accounts::list(&host.db, after, PAGE_ACCOUNTS).await?;
        if !page.iter().all(&mut visit) {
            return Ok(());
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

/// The users with at least one session that counts, sorted.
fn users(sessions: &[Arc<Session>], counts: impl Fn(&Session) -> bool) -> BTreeSet<&BareJid> {
    sessions.iter().filter(|session| counts(session)).map(|session| &session.account.jid).collect()
}

fn number(var: &str, label: &str, count: impl ToString) -> Xml {
    form::result(vec![data_form::values(var, "text-single", [count.to_string()]).attr("label", label)])
}

/// A list of JIDs that stops growing when it is as long as was asked for, or as a client can take.
struct List {
    jids: Vec<String>,
    items_max: usize,
    bytes_left: usize,
}

impl List {
    fn new(host: &Host, form: &Submission) -> Result<Self, StanzaError> {
        // Half a stanza leaves room for the tags around each.
        Ok(Self { jids: Vec::new(), items_max: items_max(form)?, bytes_left: host.config.limits.stanza_bytes_max / 2 })
    }

    /// Adds a JID; false once there is no room for more.
    fn push(&mut self, jid: &str) -> bool {
        if self.jids.len() >= self.items_max || jid.len() > self.bytes_left {
            return false;
        }
        self.bytes_left -= jid.len();
        self.jids.push(jid.to_owned());
        true
    }

    fn into_xml(self, var: &str, label: &str) -> Xml {
        form::result(vec![data_form::values(var, "jid-multi", self.jids).attr("label", label)])
    }
}

/// How many items `max_items` asks for; without it, or with `none`, as many as there is room for.
fn items_max(form: &Submission) -> Result<usize, StanzaError> {
    match form.value("max_items") {
        None | Some("" | "none") => Ok(usize::MAX),
        Some(text) => text.parse().map_err(|_| form::bad_payload()),
    }
}

#[cfg(test)]
mod tests {
    use xmpp::ns;

    use super::*;

    fn asked(max_items: &str) -> Result<usize, StanzaError> {
        let field = format!("<field var='max_items'><value>{max_items}</value></field>");
        let xml = format!("<c xmlns='urn:c'><x xmlns='{}' type='submit'>{field}</x></c>", ns::DATA_FORMS);
        items_max(&Submission::read(&xml.parse().unwrap()).unwrap())
    }

    #[test]
    fn a_list_is_as_long_as_asked_for() {
        assert_eq!(asked("100").unwrap(), 100);
        assert_eq!(asked("none").unwrap(), usize::MAX);
        assert_eq!(items_max(&Submission::default()).unwrap(), usize::MAX);
        assert_eq!(asked("many").unwrap_err().application.unwrap().0, "bad-payload");
        assert_eq!(asked("-1").unwrap_err().application.unwrap().0, "bad-payload");
    }

    #[test]
    fn a_list_ends_where_it_would_be_too_long_for_a_stanza() {
        let mut list = List { jids: Vec::new(), items_max: 3, bytes_left: 10 };
        assert!(list.push("a@x.lit") && !list.push("b@x.lit") && list.push("c@x"));
        let mut list = List { jids: Vec::new(), items_max: 1, bytes_left: 100 };
        assert!(list.push("a@x.lit") && !list.push("b@x.lit"));
    }

    #[test]
    fn numbers_are_told_with_their_field() {
        let xml = number("onlineusersnum", "The number of online users", 79).to_string();
        assert!(xml.contains("var='onlineusersnum'") && xml.contains("<value>79</value>"), "{xml}");
    }
}
