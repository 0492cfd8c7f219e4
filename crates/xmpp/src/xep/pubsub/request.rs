//! What is asked of a service (XEP-0060 §5 to §8): one variant for each request.

use jid::{BareJid, Jid};
use minidom::Element;

use super::{error, unsupported};
use crate::address;
use crate::error::{Condition, StanzaError};
use crate::ns;
use crate::xep::data_form::Submission;
use crate::xep::rsm;

/// A lasting relation to a node (XEP-0060 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named and explained in XEP-0060 §4.1")]
pub enum Affiliation {
    Owner,
    Publisher,
    Member,
    None,
    Outcast,
}

impl Affiliation {
    /// The value of the `affiliation` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Publisher => "publisher",
            Self::Member => "member",
            Self::None => "none",
            Self::Outcast => "outcast",
        }
    }

    /// Reads it; `None` for what is not supported.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Owner, Self::Publisher, Self::Member, Self::None, Self::Outcast];
        all.into_iter().find(|affiliation| affiliation.as_str() == text)
    }
}

/// An item to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The node.
    pub node: String,
    /// The item's id; the service makes one where there is none.
    pub id: Option<String>,
    /// The payload, serialised.
    pub payload: String,
    /// Its namespace.
    pub payload_ns: String,
    /// Conditions on the node's configuration (XEP-0060 §7.1.5).
    pub options: Option<Submission>,
}

/// Which items are wanted (XEP-0060 §6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    /// The node.
    pub node: String,
    /// These; empty for all.
    pub ids: Vec<String>,
    /// The newest ones, at most this many.
    pub max_items: Option<u32>,
    /// A page of them.
    pub page: Option<rsm::Request>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the elements that the variants name")]
pub enum Request {
    /// `<publish/>`
    Publish(Box<Publication>),
    /// `<items/>`
    Items(Items),
    /// `<retract/>`
    Retract { node: String, ids: Vec<String>, notify: bool },
    /// `<create/>`, without a name for a node that the service names
    Create { node: Option<String>, config: Option<Submission> },
    /// `<subscribe/>`
    Subscribe { node: String, jid: Jid },
    /// `<unsubscribe/>`
    Unsubscribe { node: String, jid: Jid, subid: Option<String> },
    /// `<subscriptions/>` of whoever asks, to one node or to all
    Subscriptions { node: Option<String> },
    /// `<affiliations/>` of whoever asks, with one node or with all
    Affiliations { node: Option<String> },
    /// The owner's `<configure/>`, to see it
    ReadConfig { node: String },
    /// The owner's `<configure/>`, to change it; nothing to cancel
    Configure { node: String, form: Option<Submission> },
    /// The owner's `<default/>`
    DefaultConfig,
    /// The owner's `<delete/>`
    Delete { node: String },
    /// The owner's `<purge/>`
    Purge { node: String },
    /// The owner's `<affiliations/>`, to see them
    NodeAffiliations { node: String },
    /// The owner's `<affiliations/>`, to change them
    SetAffiliations { node: String, changes: Vec<(BareJid, Affiliation)> },
    /// The owner's `<subscriptions/>`, to see them
    NodeSubscriptions { node: String },
    /// The owner's `<subscriptions/>`, to change them: whether each is to be subscribed
    SetSubscriptions { node: String, changes: Vec<(Jid, bool)> },
}

impl Request {
    /// Reads a `<pubsub/>` of either namespace; `set` says whether the IQ's type is `set`.
    ///
    /// # Errors
    /// Those of XEP-0060 for what is incomplete or not supported.
    pub fn read(pubsub: &Element, set: bool) -> Result<Self, StanzaError> {
        let action = pubsub.children().next().ok_or(Condition::BadRequest)?;
        let namespace = pubsub.ns();
        match (namespace.as_str(), set, action.name()) {
            (ns::PUBSUB, true, "publish") => publication(pubsub, action).map(|read| Self::Publish(Box::new(read))),
            (ns::PUBSUB, false, "items") => items(pubsub, action).map(Self::Items),
            (ns::PUBSUB, true, "retract") => retract(action),
            (ns::PUBSUB, true, "create") => {
                let configure = pubsub.get_child("configure", ns::PUBSUB);
                Ok(Self::Create { node: node_of(action), config: configure.and_then(Submission::read) })
            }
            (ns::PUBSUB, true, "subscribe") => Ok(Self::Subscribe { node: node(action)?, jid: jid(action)? }),
            (ns::PUBSUB, true, "unsubscribe") => {
                let subid = action.attr("subid").map(str::to_owned);
                Ok(Self::Unsubscribe { node: node(action)?, jid: jid(action)?, subid })
            }
            (ns::PUBSUB, false, "subscriptions") => Ok(Self::Subscriptions { node: node_of(action) }),
            (ns::PUBSUB, false, "affiliations") => Ok(Self::Affiliations { node: node_of(action) }),
            (ns::PUBSUB, _, "options" | "default") => Err(unsupported("subscription-options")),
            (ns::PUBSUB_OWNER, false, "configure") => Ok(Self::ReadConfig { node: node(action)? }),
            (ns::PUBSUB_OWNER, true, "configure") => {
                let form = action.get_child("x", ns::DATA_FORMS).ok_or(Condition::BadRequest)?;
                let cancelled = form.attr("type") == Some("cancel");
                let form = (!cancelled).then(|| Submission::read(action).ok_or(Condition::BadRequest)).transpose()?;
                Ok(Self::Configure { node: node(action)?, form })
            }
            (ns::PUBSUB_OWNER, false, "default") => Ok(Self::DefaultConfig),
            (ns::PUBSUB_OWNER, true, "delete") => Ok(Self::Delete { node: node(action)? }),
            (ns::PUBSUB_OWNER, true, "purge") => Ok(Self::Purge { node: node(action)? }),
            (ns::PUBSUB_OWNER, false, "affiliations") => Ok(Self::NodeAffiliations { node: node(action)? }),
            (ns::PUBSUB_OWNER, true, "affiliations") => affiliations(action),
            (ns::PUBSUB_OWNER, false, "subscriptions") => Ok(Self::NodeSubscriptions { node: node(action)? }),
            (ns::PUBSUB_OWNER, true, "subscriptions") => subscriptions(action),
            _ => Err(Condition::BadRequest.into()),
        }
    }
}

fn node_of(action: &Element) -> Option<String> {
    action.attr("node").filter(|node| !node.is_empty()).map(str::to_owned)
}

fn node(action: &Element) -> Result<String, StanzaError> {
    node_of(action).ok_or_else(|| error(Condition::BadRequest, "nodeid-required"))
}

fn jid(action: &Element) -> Result<Jid, StanzaError> {
    let jid = action.attr("jid").ok_or_else(|| error(Condition::BadRequest, "jid-required"))?;
    address::parse(jid).ok_or_else(|| error(Condition::BadRequest, "invalid-jid"))
}

fn id_of(item: &Element) -> Option<String> {
    item.attr("id").filter(|id| !id.is_empty()).map(str::to_owned)
}

/// XEP-0060 §7.1.3: one item with one payload.
fn publication(pubsub: &Element, publish: &Element) -> Result<Publication, StanzaError> {
    let node = node(publish)?;
    let mut items = publish.children().filter(|child| child.is("item", ns::PUBSUB));
    let item = items.next().ok_or_else(|| error(Condition::BadRequest, "item-required"))?;
    if items.next().is_some() {
        return Err(StanzaError::with_text(Condition::BadRequest, "publish one item at a time"));
    }
    let mut payloads = item.children();
    let payload = payloads.next().ok_or_else(|| error(Condition::BadRequest, "payload-required"))?;
    if payloads.next().is_some() {
        return Err(error(Condition::BadRequest, "invalid-payload"));
    }
    let options = match pubsub.get_child("publish-options", ns::PUBSUB) {
        Some(options) => Some(Submission::read(options).ok_or(Condition::BadRequest)?),
        None => None,
    };
    Ok(Publication { node, id: id_of(item), payload: String::from(payload), payload_ns: payload.ns(), options })
}

fn items(pubsub: &Element, items: &Element) -> Result<Items, StanzaError> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let max_items = match items.attr("max_items") {
        Some(text) => Some(number(text).ok_or(Condition::BadRequest)?),
        None => None,
    };
    let ids = items.children().filter(|child| child.is("item", ns::PUBSUB)).filter_map(id_of).collect();
    let page = rsm::Request::read(pubsub).map_err(|_| Condition::BadRequest)?;
    Ok(Items { node: node(items)?, ids, max_items, page })
}

fn retract(action: &Element) -> Result<Request, StanzaError> {
    let node = node(action)?;
    let ids: Vec<String> = action.children().filter(|child| child.is("item", ns::PUBSUB)).filter_map(id_of).collect();
    if ids.is_empty() {
        return Err(error(Condition::BadRequest, "item-required"));
    }
    let notify = matches!(action.attr("notify"), Some("1" | "true"));
    Ok(Request::Retract { node, ids, notify })
}

fn affiliations(action: &Element) -> Result<Request, StanzaError> {
    let mut changes = Vec::new();
    for child in action.children().filter(|child| child.is("affiliation", ns::PUBSUB_OWNER)) {
        let affiliation = child.attr("affiliation").ok_or(Condition::BadRequest)?;
        // XEP-0060 §8.9.2.2: what is not understood is not acceptable.
        let affiliation = Affiliation::parse(affiliation).ok_or(Condition::NotAcceptable)?;
        changes.push((jid(child)?.to_bare(), affiliation));
    }
    Ok(Request::SetAffiliations { node: node(action)?, changes })
}

fn subscriptions(action: &Element) -> Result<Request, StanzaError> {
    let mut changes = Vec::new();
    for child in action.children().filter(|child| child.is("subscription", ns::PUBSUB_OWNER)) {
        let subscribed = match child.attr("subscription") {
            Some("subscribed") => true,
            Some("none") => false,
            _ => return Err(Condition::NotAcceptable.into()),
        };
        changes.push((jid(child)?, subscribed));
    }
    Ok(Request::SetSubscriptions { node: node(action)?, changes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(suffix: &str, set: bool, children: &str) -> Result<Request, StanzaError> {
        Request::read(&format!("<pubsub xmlns='{}{suffix}'>{children}</pubsub>", ns::PUBSUB).parse().unwrap(), set)
    }

    fn refused(set: bool, children: &str) -> (Condition, Option<&'static str>) {
        let error = read("", set, children).unwrap_err();
        (error.condition, error.application.map(|(name, _)| name))
    }

    #[test]
    fn a_publication_has_one_item_with_one_payload() {
        let publish = "<publish node='n'><item id='i'><a xmlns='urn:a'>x</a></item></publish>";
        let Ok(Request::Publish(read)) = read("", true, publish) else { panic!() };
        assert_eq!((read.node.as_str(), read.id.as_deref(), read.payload_ns.as_str()), ("n", Some("i"), "urn:a"));
        let again: Element = read.payload.parse().unwrap();
        assert!(again.is("a", "urn:a"));
        for (children, name) in [
            ("<publish><item id='i'/></publish>", "nodeid-required"),
            ("<publish node='n'/>", "item-required"),
            ("<publish node='n'><item id='i'/></publish>", "payload-required"),
            ("<publish node='n'><item><a xmlns='urn:a'/><b xmlns='urn:a'/></item></publish>", "invalid-payload"),
            ("<retract node='n'/>", "item-required"),
            ("<retract><item id='i'/></retract>", "nodeid-required"),
            ("<subscribe node='n'/>", "jid-required"),
            ("<subscribe node='n' jid='a@@b'/>", "invalid-jid"),
        ] {
            assert_eq!(refused(true, children), (Condition::BadRequest, Some(name)), "{children}");
        }
        assert_eq!(refused(true, "<publish node='n'><item/><item/></publish>"), (Condition::BadRequest, None));
        assert_eq!(refused(true, "<items node='n'/>"), (Condition::BadRequest, None));
        assert_eq!(refused(false, "<options/>"), (Condition::FeatureNotImplemented, Some("unsupported")));
        assert_eq!(refused(false, "<items node='n' max_items='0'/>"), (Condition::BadRequest, None));
    }

    #[test]
    fn items_are_asked_for_by_id_by_number_or_by_page() {
        let Ok(Request::Items(read)) = read(
            "",
            false,
            "<items node='n' max_items='2'><item id='a'/><item/></items>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set>",
        ) else {
            panic!()
        };
        assert_eq!((read.ids, read.max_items), (vec!["a".to_owned()], Some(2)));
        assert_eq!(read.page, Some(rsm::Request { anchor: rsm::Anchor::First, max: Some(3) }));
    }

    #[test]
    fn owners_change_affiliations_and_subscriptions() {
        let set = read(
            "#owner",
            true,
            "<affiliations node='n'><affiliation jid='B@x/r' affiliation='member'/></affiliations>",
        );
        let changes = vec![(BareJid::new("b@x").unwrap(), Affiliation::Member)];
        assert_eq!(set, Ok(Request::SetAffiliations { node: "n".into(), changes }));
        let bad =
            read("#owner", true, "<affiliations node='n'><affiliation jid='b@x' affiliation='king'/></affiliations>");
        assert_eq!(bad.unwrap_err().condition, Condition::NotAcceptable);
        let set = read(
            "#owner",
            true,
            "<subscriptions node='n'><subscription jid='b@x' subscription='none'/></subscriptions>",
        );
        let changes = vec![(Jid::new("b@x").unwrap(), false)];
        assert_eq!(set, Ok(Request::SetSubscriptions { node: "n".into(), changes }));
    }
}
