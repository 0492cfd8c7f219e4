//! XEP-0115 entity capabilities: what a presence announces, and the text that its hash is made of.

use std::collections::BTreeSet;

use minidom::Element;

use crate::ns;
use crate::xml::Child;

/// What `<c/>` in a presence says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Announced {
    /// The hash function; `None` in the old form, where `ver` is a version.
    pub hash: Option<String>,
    /// The software.
    pub node: String,
    /// The hash of its identities and features, in base64.
    pub ver: String,
}

impl Announced {
    /// Reads `<c/>`; `None` when it does not say enough to ask for more.
    pub fn read(c: &Child<'_>) -> Option<Self> {
        let text = |name| c.attr(name).map(|value| value.into_owned()).filter(|value| !value.is_empty());
        Some(Self { hash: text("hash"), node: text("node")?, ver: text("ver")? })
    }
}

/// The verification string S of a disco#info result (XEP-0115 §5.1), to be hashed; `None` where §5.4 calls the result
/// ill-formed, or where what is to be joined has the character that joins.
pub fn verification_string(query: &Element) -> Option<String> {
    let mut s = String::new();
    for identity in set(query, "identity", |identity| {
        let part = |name| identity.attr(name).unwrap_or_default();
        let lang = identity.attr_ns(ns::XML, "lang").unwrap_or_default();
        Some([part("category"), part("type"), lang, part("name")].join("/"))
    })? {
        push(&mut s, &identity)?;
    }
    for feature in set(query, "feature", |feature| feature.attr("var").map(str::to_owned))? {
        push(&mut s, &feature)?;
    }
    let mut forms = BTreeSet::new();
    for form in query.children().filter(|child| child.is("x", ns::DATA_FORMS)) {
        let Some((form_type, text)) = form_string(form)? else { continue };
        if !forms.insert((form_type, text)) {
            return None;
        }
    }
    let types: BTreeSet<&String> = forms.iter().map(|(form_type, _)| form_type).collect();
    if types.len() != forms.len() {
        return None;
    }
    forms.iter().for_each(|(_, text)| s.push_str(text));
    Some(s)
}

/// The values of all children of that name, sorted; `None` when one comes twice.
fn set(query: &Element, name: &str, value: impl Fn(&Element) -> Option<String>) -> Option<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    for child in query.children().filter(|child| child.is(name, ns::DISCO_INFO)) {
        if !values.insert(value(child)?) {
            return None;
        }
    }
    Some(values)
}

/// A form's type and its part of S; the inner `None` for a form that is to be ignored.
fn form_string(form: &Element) -> Option<Option<(String, String)>> {
    let fields: Vec<(&Element, Vec<String>)> = form
        .children()
        .filter(|child| child.is("field", ns::DATA_FORMS))
        .map(|field| {
            let values = field.children().filter(|child| child.is("value", ns::DATA_FORMS));
            (field, values.map(Element::text).collect())
        })
        .collect();
    let Some((field, types)) = fields.iter().find(|(field, _)| field.attr("var") == Some("FORM_TYPE")) else {
        return Some(None);
    };
    let (Some("hidden"), Some(form_type)) = (field.attr("type"), types.first()) else { return Some(None) };
    if types.iter().any(|other| other != form_type) {
        return None;
    }
    let mut by_var: Vec<(&str, BTreeSet<&String>)> = fields
        .iter()
        .filter_map(|(field, values)| Some((field.attr("var")?, values.iter().collect())))
        .filter(|(var, _)| *var != "FORM_TYPE")
        .collect();
    by_var.sort();
    let mut text = String::new();
    push(&mut text, form_type)?;
    for (var, values) in by_var {
        push(&mut text, var)?;
        values.into_iter().try_for_each(|value| push(&mut text, value))?;
    }
    Some(Some((form_type.clone(), text)))
}

/// What is joined must not hold the character that joins it: two different answers would make the same S.
fn push(s: &mut String, part: &str) -> Option<()> {
    if part.contains('<') {
        return None;
    }
    s.push_str(part);
    s.push('<');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(children: &str) -> Option<String> {
        let info = ns::DISCO_INFO;
        verification_string(&format!("<query xmlns='{info}'>{children}</query>").parse().unwrap())
    }

    #[test]
    fn the_examples_of_the_text_make_its_strings() {
        // XEP-0115 §5.2.
        let simple = "<identity category='client' type='pc' name='Exodus 0.9.1'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>";
        assert_eq!(
            string(simple).unwrap(),
            "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<http://jabber.org/protocol/disco#info<\
             http://jabber.org/protocol/disco#items<http://jabber.org/protocol/muc<"
        );
        // XEP-0115 §5.3.
        let complex = "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
            <identity xml:lang='el' category='client' name='\u{3a8} 0.11' type='pc'/>\
            <feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/caps'/>\
            <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>\
            <value>urn:xmpp:dataforms:softwareinfo</value></field><field var='ip_version'><value>ipv4</value>\
            <value>ipv6</value></field><field var='os'><value>Mac</value></field></x>";
        assert_eq!(
            string(complex).unwrap(),
            "client/pc/el/\u{3a8} 0.11<client/pc/en/Psi 0.11<http://jabber.org/protocol/caps<\
             http://jabber.org/protocol/muc<urn:xmpp:dataforms:softwareinfo<ip_version<ipv4<ipv6<os<Mac<"
        );
    }

    #[test]
    fn what_is_ill_formed_makes_no_string() {
        assert_eq!(string("<feature var='a'/><feature var='a'/>"), None);
        assert_eq!(string("<feature var='a&lt;b'/>"), None);
        assert_eq!(string("<feature/>"), None);
        let form = "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'><value>t</value></field></x>";
        assert_eq!(string(&format!("{form}{form}")), None);
        assert_eq!(string(&form.replace("<value>t</value>", "<value>t</value><value>u</value>")), None);
        assert_eq!(string("<x xmlns='jabber:x:data'><field var='a'><value>t</value></field></x>").unwrap(), "");
    }
}
