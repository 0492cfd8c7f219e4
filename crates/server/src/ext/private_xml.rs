//! XEP-0049: XML that clients keep for themselves, one element for each name and namespace.

use std::collections::BTreeMap;

use minidom::Element;
use storage::private_xml::{self, PrivateXml};
use storage::{AccountId, Db};
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;

use super::{Reply, Request};
use crate::pep;

/// Answers `jabber:iq:private`.
///
/// # Errors
/// `forbidden` for another's account, `not-acceptable` without an element of a namespace of its own,
/// `resource-constraint` when the account would exceed `private_xml_bytes_max`.
pub async fn handle(request: &Request<'_>) -> Reply {
    let account = &request.own_session()?.account;
    let db = &request.host.db;
    if !request.set {
        let wanted = asked_for(request.payload)?;
        let stored = private_xml::load(db, account.id, &wanted.ns(), wanted.name()).await?;
        let stored = match pep::are_bookmarks_asked_for(wanted) {
            true => pep::fetch_bookmarks(request.host, account, stored).await?,
            false => stored,
        };
        // What was never stored is answered as it was asked.
        let element = stored.unwrap_or_else(|| String::from(wanted));
        return Ok(Xml::new("query", ns::PRIVATE_XML).raw(&element).to_string());
    }
    let elements = to_store(request.payload)?;
    let bytes_max = request.host.config.limits.private_xml_bytes_max;
    if !fits(db, account.id, &elements, bytes_max).await? {
        let full = StanzaError::with_text(Condition::ResourceConstraint, "no room for so much private XML");
        return Err(full.of_type(ErrorType::Modify));
    }
    private_xml::store(db, account.id, elements).await?;
    if let Some(list) = request.payload.children().filter(|element| pep::are_bookmarks_asked_for(element)).last() {
        pep::store_bookmarks(request.host, account, request.from, list).await?;
    }
    Ok(String::new())
}

/// The one element of a get. Several are refused: each could fetch all that is stored.
fn asked_for(query: &Element) -> Result<&Element, StanzaError> {
    let mut children = query.children();
    match (children.next(), children.next()) {
        (Some(element), None) if has_own_namespace(element) => Ok(element),
        (Some(_), Some(_)) => Err(StanzaError::with_text(Condition::BadRequest, "ask for one element at a time")),
        _ => Err(Condition::NotAcceptable.into()),
    }
}

/// The elements of a set; of two with the same key the later one.
fn to_store(query: &Element) -> Result<Vec<PrivateXml>, StanzaError> {
    if !query.children().all(has_own_namespace) {
        return Err(Condition::NotAcceptable.into());
    }
    let by_key: BTreeMap<(String, &str), &Element> =
        query.children().map(|element| ((element.ns(), element.name()), element)).collect();
    if by_key.is_empty() {
        return Err(Condition::NotAcceptable.into());
    }
    let elements = by_key.into_iter().map(|((namespace, name), element)| PrivateXml {
        namespace,
        name: name.to_owned(),
        xml: String::from(element),
    });
    Ok(elements.collect())
}

fn has_own_namespace(element: &Element) -> bool {
    let namespace = element.ns();
    !namespace.is_empty() && namespace != ns::PRIVATE_XML
}

/// Whether what is stored stays within the limit, counting what the new elements replace as gone.
async fn fits(db: &Db, owner: AccountId, elements: &[PrivateXml], bytes_max: usize) -> Result<bool, storage::Error> {
    let stored = usize::try_from(private_xml::bytes(db, owner).await?).unwrap_or(usize::MAX);
    let added: usize = elements.iter().map(|element| element.xml.len()).sum();
    if added > bytes_max || stored.saturating_add(added) <= bytes_max {
        return Ok(added <= bytes_max);
    }
    let mut replaced = 0_usize;
    for element in elements {
        let old = private_xml::load(db, owner, &element.namespace, &element.name).await?;
        replaced = replaced.saturating_add(old.map_or(0, |xml| xml.len()));
    }
    Ok(stored.saturating_sub(replaced).saturating_add(added) <= bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(children: &str) -> Element {
        format!("<query xmlns='{}'>{children}</query>", ns::PRIVATE_XML).parse().unwrap()
    }

    #[test]
    fn an_element_keeps_its_namespaces_when_it_is_stored() {
        let query = query("<p:prefs xmlns:p='exodus:prefs'><p:nick>Hamlet</p:nick><x xmlns='urn:x'/></p:prefs>");
        let elements = to_store(&query).unwrap();
        assert_eq!(elements.len(), 1);
        assert_eq!((elements[0].namespace.as_str(), elements[0].name.as_str()), ("exodus:prefs", "prefs"));
        let stored: Element = elements[0].xml.parse().unwrap();
        assert_eq!(stored, *asked_for(&query).unwrap());
    }

    #[test]
    fn of_two_elements_with_one_key_the_later_one_is_stored() {
        let elements = to_store(&query("<a xmlns='urn:a'>1</a><b xmlns='urn:a'/><a xmlns='urn:a'>2</a>")).unwrap();
        assert_eq!(elements.len(), 2);
        assert!(elements[0].xml.contains('2'), "{}", elements[0].xml);
    }

    #[test]
    fn elements_without_a_namespace_of_their_own_are_not_acceptable() {
        for children in ["", "<prefs/>", "<prefs xmlns=''/>"] {
            assert_eq!(to_store(&query(children)).unwrap_err().condition, Condition::NotAcceptable, "{children}");
            assert_eq!(asked_for(&query(children)).unwrap_err().condition, Condition::NotAcceptable, "{children}");
        }
    }

    #[test]
    fn only_one_element_can_be_asked_for() {
        let two = query("<a xmlns='urn:a'/><b xmlns='urn:b'/>");
        assert_eq!(asked_for(&two).unwrap_err().condition, Condition::BadRequest);
    }
}
