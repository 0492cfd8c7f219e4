//! XEP-0030: what the server and its accounts are and can do, XEP-0128 with the contact addresses of XEP-0157.
//! Features come from the table of supported extensions. The nodes of ad-hoc commands are answered elsewhere.

use minidom::Element;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::xep::{data_form, table};

use super::{Reply, Request};
use crate::accounts::Account;
use crate::config::{Config, Contacts};
use crate::host::Host;
use crate::pep;
use crate::roster;

/// Answers disco#info, for the server's domain or for an account.
///
/// # Errors
/// `service-unavailable` for those who may not see the account's presence, as when there is no such account
/// (XEP-0030 §8); `item-not-found` for an unknown node.
pub async fn info(request: &Request<'_>) -> Reply {
    request.only_get()?;
    let answer = match request.account {
        Some(account) if is_hidden(request, account).await? => return Err(Condition::ServiceUnavailable.into()),
        Some(account) => match node(request.payload) {
            Some(node) => return pep::node_info(request, account, node).await,
            None => account_info(),
        },
        None if node(request.payload).is_some() => return Err(Condition::ItemNotFound.into()),
        None => server_info(&request.host.config),
    };
    Ok(answer.to_string())
}

/// Answers disco#items, for the server's domain or for an account.
///
/// # Errors
/// `item-not-found` for an unknown node.
pub async fn items(request: &Request<'_>) -> Reply {
    request.only_get()?;
    let answer = match request.account {
        Some(account) => match node(request.payload) {
            Some(node) => return pep::node_items(request, account, node).await,
            None => account_items(request, account).await?,
        },
        None if node(request.payload).is_some() => return Err(Condition::ItemNotFound.into()),
        None => server_items(request.host),
    };
    Ok(answer.to_string())
}

/// What disco#items gives for an account that does not exist, or whose presence the asker may not see: nothing, in the
/// same words (XEP-0030 §8).
pub fn items_of_nobody(payload: &Element) -> String {
    Xml::new("query", ns::DISCO_ITEMS).attr_opt("node", payload.attr("node")).to_string()
}

fn node(payload: &Element) -> Option<&str> {
    payload.attr("node").filter(|node| !node.is_empty())
}

/// Whether nothing is to be learnt of the account: nodes say themselves who may read them.
async fn is_hidden(request: &Request<'_>, account: &Account) -> Result<bool, StanzaError> {
    Ok(node(request.payload).is_none() && !may_see_presence(request, account).await?)
}

/// Whether whoever asks is the account's owner or subscribed to its presence.
async fn may_see_presence(request: &Request<'_>, account: &Account) -> Result<bool, StanzaError> {
    Ok(account.jid == request.from.to_bare() || roster::is_subscriber(request.host, account, request.from).await?)
}

fn server_info(config: &Config) -> Xml {
    let registration = config.registration.in_band.then_some(ns::REGISTER);
    let services = (!config.turn.services.is_empty()).then_some(ns::EXTERNAL_SERVICES);
    let features = table::SUPPORTED.iter().flat_map(|xep| xep.server_features).copied();
    let features = features.chain(registration).chain(services);
    description("server", "im", Some("Whimbrel"), features).child_opt(contact_form(&config.server.contacts))
}

fn server_items(host: &Host) -> Xml {
    let items = host.components.domains().chain(host.media.service().map(|service| service.as_str())).map(item);
    Xml::new("query", ns::DISCO_ITEMS).children(items)
}

fn account_info() -> Xml {
    let features = table::SUPPORTED.iter().flat_map(|xep| xep.account_features).copied();
    // XEP-0163 §7.1
    description("account", "registered", None, features)
        .child(Xml::bare("identity").attr("category", "pubsub").attr("type", "pep"))
}

/// Resources for those who may see the account's presence, and nodes for those who may read them.
async fn account_items(request: &Request<'_>, account: &Account) -> Result<Xml, StanzaError> {
    let nodes = pep::nodes_for(request, account).await?;
    if !may_see_presence(request, account).await? {
        return Ok(Xml::new("query", ns::DISCO_ITEMS).children(nodes));
    }
    let sessions = request.host.sessions.of(account.localpart());
    let available = sessions.iter().filter(|session| session.priority().is_some());
    Ok(Xml::new("query", ns::DISCO_ITEMS).children(available.map(|session| item(session.jid.as_str()))).children(nodes))
}

fn description(category: &str, kind: &str, name: Option<&str>, features: impl Iterator<Item = &'static str>) -> Xml {
    let identity = Xml::bare("identity").attr("category", category).attr("type", kind).attr_opt("name", name);
    Xml::new("query", ns::DISCO_INFO)
        .child(identity)
        .children(features.map(|feature| Xml::bare("feature").attr("var", feature)))
}

fn item(jid: &str) -> Xml {
    Xml::bare("item").attr("jid", jid)
}

/// XEP-0157; None when the operator has named nobody.
fn contact_form(contacts: &Contacts) -> Option<Xml> {
    let fields: Vec<Xml> = [
        ("abuse-addresses", &contacts.abuse),
        ("admin-addresses", &contacts.admin),
        ("feedback-addresses", &contacts.feedback),
        ("sales-addresses", &contacts.sales),
        ("security-addresses", &contacts.security),
        ("support-addresses", &contacts.support),
    ]
    .into_iter()
    .filter(|(_, addresses)| !addresses.is_empty())
    .map(|(var, addresses)| data_form::values(var, "list-multi", addresses))
    .collect();
    (!fields.is_empty()).then(|| data_form::result(ns::SERVER_INFO, fields))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn features(info: &Xml) -> Vec<String> {
        let info: Element = info.to_string().parse().unwrap();
        let features = info.children().filter(|child| child.is("feature", ns::DISCO_INFO));
        features.map(|feature| feature.attr("var").unwrap().to_owned()).collect()
    }

    #[test]
    fn an_account_names_what_it_can_do_once() {
        let features = features(&account_info());
        for feature in [ns::DISCO_INFO, ns::MAM, ns::MAM_EXTENDED] {
            assert!(features.iter().any(|f| f == feature), "{feature}");
        }
        let distinct: HashSet<_> = features.iter().collect();
        assert_eq!(distinct.len(), features.len());
    }

    #[test]
    fn nobody_has_no_items_at_any_node() {
        let asked: Element = format!("<query xmlns='{}' node='a&amp;b'/>", ns::DISCO_ITEMS).parse().unwrap();
        let answer: Element = items_of_nobody(&asked).parse().unwrap();
        assert_eq!(answer, asked);
    }

    #[test]
    fn contact_addresses_make_a_form_of_the_fields_that_are_set() {
        assert!(contact_form(&Contacts::default()).is_none());
        let contacts = Contacts {
            abuse: vec!["mailto:abuse@example.org".into(), "xmpp:abuse@example.org".into()],
            ..Contacts::default()
        };
        let form: Element = contact_form(&contacts).unwrap().to_string().parse().unwrap();
        let vars: Vec<_> = form.children().map(|field| field.attr("var").unwrap()).collect();
        assert_eq!(vars, ["FORM_TYPE", "abuse-addresses"]);
        assert_eq!(form.children().nth(1).unwrap().children().count(), 2);
    }
}
