//! Bookmarks in both places (XEP-0402 §6): what old clients keep in private XML (XEP-0048 in XEP-0049) and what new ones
//! publish is the same list.

use std::sync::Arc;

use jid::Jid;
use minidom::Element;
use storage::private_xml;
use storage::pubsub::Item;
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::xep::pubsub::Publication;

use super::node::Nodes;
use super::{Failure, items, publish, retract};
use crate::accounts::Account;
use crate::host::Host;

/// A bookmark, as both forms have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bookmark {
    name: Option<String>,
    autojoin: bool,
    nick: Option<String>,
    password: Option<String>,
}

/// Whether an element of private XML is the list of bookmarks.
pub fn is_asked_for(element: &Element) -> bool {
    element.is("storage", ns::BOOKMARKS_LEGACY)
}

/// The list as old clients want it: the rooms that are published, and whatever else they `stored` with it. `None` when
/// there is nothing.
///
/// # Errors
/// When the database fails.
pub async fn fetch(
    host: &Arc<Host>,
    account: &Arc<Account>,
    stored: Option<String>,
) -> Result<Option<String>, Failure> {
    let is_published = account.read_nodes(&host.db, |nodes| nodes.find(ns::BOOKMARKS).is_some()).await?;
    if !is_published {
        return Ok(stored);
    }
    let stored = stored.and_then(|stored| stored.parse::<Element>().ok());
    let others: String = stored
        .iter()
        .flat_map(Element::children)
        .filter(|child| !child.is("conference", ns::BOOKMARKS_LEGACY))
        .map(String::from)
        .collect();
    let rooms = items::all(host, account, ns::BOOKMARKS).await?;
    let rooms = rooms.iter().filter_map(|item| Some(published(item)?.to_legacy(&item.id)));
    Ok(Some(Xml::new("storage", ns::BOOKMARKS_LEGACY).children(rooms).raw(&others).to_string()))
}

/// An old client has stored the list: what differs is published, what is missing retracted.
///
/// # Errors
/// When there is no room for it, or the database fails.
pub async fn store(host: &Arc<Host>, account: &Arc<Account>, from: &Jid, list: &Element) -> Result<(), Failure> {
    let mut held = account.hold_nodes(&host.db).await?;
    let taken = take_over(host, account, from, &mut held.nodes, list).await;
    held.put_back_after(taken)
}

/// A new client is about to use its bookmarks for the first time: those of old clients are published.
pub(super) async fn migrate(host: &Arc<Host>, account: &Arc<Account>, from: &Jid) -> Result<(), Failure> {
    let mut held = account.hold_nodes(&host.db).await?;
    if from.to_bare() != account.jid || held.nodes.find(ns::BOOKMARKS).is_some() {
        held.put_back();
        return Ok(());
    }
    let stored = private_xml::load(&host.db, account.id, ns::BOOKMARKS_LEGACY, "storage").await?;
    let taken = match stored.and_then(|stored| stored.parse::<Element>().ok()) {
        Some(list) => take_over(host, account, from, &mut held.nodes, &list).await,
        None => Ok(()),
    };
    held.put_back_after(taken)
}

async fn take_over(
    host: &Arc<Host>,
    account: &Arc<Account>,
    from: &Jid,
    nodes: &mut Nodes,
    list: &Element,
) -> Result<(), Failure> {
    let wanted: Vec<(String, Bookmark)> = list
        .children()
        .filter(|child| child.is("conference", ns::BOOKMARKS_LEGACY))
        .filter_map(|child| Some((child.attr("jid").filter(|jid| !jid.is_empty())?.to_owned(), Bookmark::read(child))))
        .collect();
    if wanted.len() > host.config.limits.pubsub_items_max {
        return Err(publish::no_room("too many bookmarks").into());
    }
    let before = match nodes.find(ns::BOOKMARKS) {
        Some(_) => items::all(host, account, ns::BOOKMARKS).await?,
        None => Vec::new(),
    };
    for (jid, bookmark) in &wanted {
        let item = before.iter().find(|item| item.id == *jid);
        if item.and_then(published).as_ref() == Some(bookmark) {
            continue;
        }
        let publication = Publication {
            node: ns::BOOKMARKS.to_owned(),
            id: Some(jid.clone()),
            payload: bookmark.to_payload(item),
            payload_ns: ns::BOOKMARKS.to_owned(),
            options: None,
        };
        publish::store(host, account, from, nodes, publication).await?;
    }
    let gone = before.into_iter().map(|item| item.id).filter(|id| !wanted.iter().any(|(jid, _)| jid == id));
    let gone: Vec<String> = gone.collect();
    if !gone.is_empty() {
        retract::retract(host, account, from, nodes, (ns::BOOKMARKS, gone, true)).await?;
    }
    Ok(())
}

fn published(item: &Item) -> Option<Bookmark> {
    Some(Bookmark::read(&item.payload.parse::<Element>().ok()?))
}

impl Bookmark {
    fn read(conference: &Element) -> Self {
        let namespace = conference.ns();
        let text = |name: &str| conference.get_child(name, namespace.as_str()).map(Element::text);
        Self {
            name: conference.attr("name").map(str::to_owned),
            autojoin: matches!(conference.attr("autojoin"), Some("1" | "true")),
            nick: text("nick"),
            password: text("password"),
        }
    }

    fn fill(&self, conference: Xml) -> Xml {
        let text = |name, text: &Option<String>| text.as_ref().map(|text| Xml::bare(name).text(text));
        conference
            .attr_opt("name", self.name.as_deref())
            .attr_opt("autojoin", self.autojoin.then_some("true"))
            .child_opt(text("nick", &self.nick))
            .child_opt(text("password", &self.password))
    }

    fn to_legacy(&self, jid: &str) -> Xml {
        self.fill(Xml::bare("conference").attr("jid", jid))
    }

    /// What else the published item has stays in it (XEP-0402 §3.4).
    fn to_payload(&self, item: Option<&Item>) -> String {
        let before = item.and_then(|item| item.payload.parse::<Element>().ok());
        let extensions = before.as_ref().and_then(|before| before.get_child("extensions", ns::BOOKMARKS));
        let extensions = extensions.map(String::from).unwrap_or_default();
        self.fill(Xml::new("conference", ns::BOOKMARKS)).raw(&extensions).to_string()
    }
}

#[cfg(test)]
mod tests {
    use storage::ArchiveId;

    use super::*;

    #[test]
    fn a_bookmark_is_the_same_in_both_forms_and_keeps_its_extensions() {
        let old: Element =
            "<conference xmlns='storage:bookmarks' jid='r@m' name='R' autojoin='1'><nick>N</nick></conference>"
                .parse()
                .unwrap();
        let bookmark = Bookmark::read(&old);
        let extensions = "<extensions xmlns='urn:xmpp:bookmarks:1'><e xmlns='urn:e'/></extensions>";
        let payload = format!("<conference xmlns='urn:xmpp:bookmarks:1' name='old'>{extensions}</conference>");
        let (id, publisher) = (String::from("r@m"), String::new());
        let item = Item { id, seq: ArchiveId::MIN, publisher, payload };
        let new = Item { payload: bookmark.to_payload(Some(&item)), ..item };
        assert_eq!(published(&new), Some(bookmark.clone()));
        assert!(new.payload.contains("urn:e"), "{}", new.payload);
        let back: Element = format!("<s xmlns='storage:bookmarks'>{}</s>", bookmark.to_legacy("r@m")).parse().unwrap();
        assert_eq!(Bookmark::read(back.children().next().unwrap()), bookmark);
    }
}
