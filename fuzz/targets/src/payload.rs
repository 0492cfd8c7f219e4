//! Payloads that are read as trees: data forms, pages, times, archive ids, what a client says of itself.

use minidom::Element as Dom;
use server::clock;
use storage::ArchiveId;
use xmpp::build::Xml;
use xmpp::ns;
use xmpp::sasl::UserAgent;
use xmpp::xep::data_form::{self, Submission};
use xmpp::xep::pubsub::{Config, Request};
use xmpp::xep::{caps, rsm};
use xmpp::xml::Element;

/// The input is an element, or the text of a time or id.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    time(text);
    id(text);
    written(text);
    let Ok(element) = Element::parse(text.to_owned(), ns::CLIENT) else { return };
    let Ok(dom) = element.to_dom() else { return };
    let _ = rsm::Request::read(&dom);
    let _ = UserAgent::read(&dom);
    pubsub(&dom);
    if let Some(form) = Submission::read(&dom) {
        resubmitted(&form);
    }
}

/// XEP-0060 and XEP-0115: requests are understood or refused, and a configuration comes back from its fields.
fn pubsub(dom: &Dom) {
    let _ = caps::verification_string(dom);
    for set in [false, true] {
        let _ = Request::read(dom, set);
    }
    let mut config = Config::default();
    for (var, values) in Submission::of(dom).fields() {
        let _ = config.set(var, values, 1_000);
    }
    let mut again = Config { roster_groups: config.roster_groups.clone(), ..Config::default() };
    for (var, value) in config.fields().into_iter().filter(|(var, _)| *var != "pubsub#roster_groups_allowed") {
        assert_eq!(again.set(var, &[value], 1_000), Ok(()), "{var}");
    }
    assert_eq!(again, config);
}

/// XEP-0082: a time that was read and can be written is read again as the same.
fn time(text: &str) {
    let Some(ms) = clock::parse_xmpp_time(text) else { return };
    let written = clock::xmpp_time(ms);
    // Before the year 0 and after 9999, as an offset can make it, there is no form to write.
    if !written.is_empty() && !written.starts_with('-') {
        assert_eq!(clock::parse_xmpp_time(&written), Some(ms), "{text:?} as {written:?}");
    }
}

/// An id has one form.
fn id(text: &str) {
    if let Ok(id) = text.parse::<ArchiveId>() {
        assert_eq!(id.to_string().parse::<ArchiveId>().ok(), Some(id));
    }
}

/// What the server writes around somebody's text is one element with that text, whatever the text is.
fn written(text: &str) {
    let carries =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let expected: String = text.chars().map(|c| if carries(&c) { c } else { '\u{fffd}' }).collect();
    let xml = Xml::new("a", ns::CLIENT).attr("b", text).child(Xml::bare("c").text(text)).to_string();
    let element = Element::parse(xml, "").expect("the server wrote XML that it cannot read");
    assert_eq!(element.attr("b").as_deref(), Some(expected.as_str()));
    let child = element.child("c", ns::CLIENT).expect("the child is there");
    assert_eq!(child.text().as_deref().unwrap_or_default(), expected);
}

/// A form's fields, written as a result, hold the same values.
fn resubmitted(form: &Submission) {
    let fields = form.vars().map(|var| data_form::values(var, "text-multi", form.values(var))).collect();
    let result = data_form::result("urn:fuzz", fields);
    let dom: Dom = Xml::new("query", ns::CLIENT)
        .child(result)
        .to_string()
        .replacen("'result'", "'submit'", 1)
        .parse()
        .expect("the server wrote a form that it cannot read");
    let again = Submission::read(&dom).expect("a submitted form");
    for var in form.vars().filter(|var| *var != "FORM_TYPE") {
        assert_eq!(again.values(var), form.values(var));
    }
}
