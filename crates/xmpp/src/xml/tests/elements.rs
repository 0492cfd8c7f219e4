//! What an element tells about itself.

use std::borrow::Cow;

use super::super::{Bound, escape_attribute_into, escape_into, escaped};
use super::*;

const MESSAGE: &str = "<message to='bob@example.org' type='chat' id='1' xml:lang='en'><body>Hi</body>\
                       <active xmlns='http://jabber.org/protocol/chatstates'/></message>";

#[test]
fn an_ordinary_message_is_known_without_a_copy() {
    let message = stanza(MESSAGE);
    assert!(message.is("message", "jabber:client"));
    assert_eq!(message.bytes(), MESSAGE.as_bytes());
    assert!(matches!(message.attr("to"), Some(Cow::Borrowed("bob@example.org"))));
    assert_eq!(message.attr("from"), None);
    assert_eq!(message.lang().as_deref(), Some("en"));
    assert_eq!(message.declarations(), "");
    assert_eq!(message.text(), None);
    let names: Vec<_> = message.children().map(|child| (child.name(), child.namespace())).collect();
    assert_eq!(names, [("body", "jabber:client"), ("active", "http://jabber.org/protocol/chatstates")]);
    let body = message.child("body", "jabber:client").unwrap();
    assert!(matches!(body.text(), Some(Cow::Borrowed("Hi"))));
    assert_eq!(body.bytes(), b"<body>Hi</body>");
    assert_eq!(&message.inner()[body.range()], body.bytes());
    assert!(message.child("active", "jabber:client").is_none());
}

#[test]
fn elements_cross_threads() {
    fn assert_shareable<T: Send + Sync + 'static>() {}
    assert_shareable::<Frame>();
    assert_shareable::<Scanner>();
}

#[test]
fn the_four_ways_of_being_empty_read_the_same() {
    for xml in ["<a/>", "<a />", "<a></a>", "<a\n></a\n>"] {
        let element = stanza(xml);
        assert_eq!(element.inner(), b"", "{xml}");
        assert_eq!(element.inner_bytes(), "");
        assert_eq!(element.text(), None);
        assert_eq!(element.children().len(), 0);
        assert_eq!(element.bytes(), xml.as_bytes());
    }
}

#[test]
fn text_is_decoded_and_joined() {
    let element = stanza("<a>1 &lt; 2 &amp;&#x20;&#9731;<b>not this</b><![CDATA[ <c> & ]]>\r\nend\r</a>");
    assert_eq!(element.text().as_deref(), Some("1 < 2 & ☃ <c> & \nend\n"));
    let auth = stanza("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGFsaWNl</auth>");
    assert!(matches!(auth.text(), Some(Cow::Borrowed("AGFsaWNl"))));
    assert_eq!(stanza("<a><![CDATA[]]></a>").text(), None);
    assert_eq!(stanza("<a><![CDATA[x]]></a>").text().as_deref(), Some("x"));
}

#[test]
fn attribute_values_are_decoded_and_normalised() {
    let element = stanza("<a b='&quot;&apos;&#10;' c=\"it's\" d='1\t2\r\n3\n4' e=''/>");
    assert_eq!(element.attr("b").as_deref(), Some("\"'\n"));
    assert_eq!(element.attr("c").as_deref(), Some("it's"));
    assert_eq!(element.attr("d").as_deref(), Some("1 2 3 4"));
    assert_eq!(element.attr("e").as_deref(), Some(""));
}

#[test]
fn a_prefixed_attribute_is_not_taken_for_a_plain_one() {
    let element = stanza("<a xmlns:x='urn:x' x:to='mallory' to='bob'><b x:id='1' xml:lang='fr'/></a>");
    assert_eq!(element.attr("to").as_deref(), Some("bob"));
    let child = element.children().next().unwrap();
    assert_eq!((child.attr("id"), child.lang().as_deref()), (None, Some("fr")));
}

#[test]
fn prefixes_are_resolved_where_they_were_declared() {
    let element = stanza(
        "<iq><p:q xmlns:p='urn:1'><p:q xmlns:p='urn:2'/></p:q><q xmlns='urn:&amp;3'><r/></q>\
         <stream:x/><q xmlns=''/></iq>",
    );
    let namespaces: Vec<_> = element.children().map(|child| child.namespace().to_owned()).collect();
    assert_eq!(namespaces, ["urn:1", "urn:&3", "http://etherx.jabber.org/streams", ""]);
    let inner = element.children().next().unwrap().to_element().unwrap();
    assert!(inner.is("q", "urn:1"));
    assert!(inner.child("q", "urn:2").is_some());
    let second = element.children().nth(1).unwrap().to_element().unwrap();
    assert!(second.child("r", "urn:&3").is_some());
}

#[test]
fn declarations_are_what_the_content_needs_elsewhere() {
    let declarations = |xml: &str| stanza(xml).declarations().to_owned();
    assert_eq!(declarations("<stream:features><a/></stream:features>"), " xmlns='jabber:client'");
    assert_eq!(declarations("<m><stream:x/></m>"), " xmlns:stream='http://etherx.jabber.org/streams'");
    assert_eq!(declarations("<m><y stream:x=''/></m>"), " xmlns:stream='http://etherx.jabber.org/streams'");
    assert_eq!(declarations("<m xmlns:x='urn:&quot;x'><x:y/></m>"), " xmlns:x='urn:&quot;x'");
    assert_eq!(declarations("<m xmlns:stream='urn:s'><stream:y/></m>"), " xmlns:stream='urn:s'");
    assert_eq!(declarations("<m><n xmlns:stream='urn:s'><stream:y/></n></m>"), "");
    assert_eq!(declarations("<m xmlns='urn:m'><y/></m>"), "");
}

#[test]
fn a_child_read_on_its_own_keeps_the_prefixes_around_it() {
    let message = stanza("<m xmlns:x='urn:x' xmlns='urn:m'><x:y><stream:z/><x:w/><v/></x:y></m>");
    let child = message.child("y", "urn:x").unwrap().to_element().unwrap();
    let names: Vec<_> = child.children().map(|c| c.namespace().to_owned()).collect();
    assert_eq!(names, ["http://etherx.jabber.org/streams", "urn:x", "urn:m"]);
    assert_eq!(child.declarations(), " xmlns='urn:m' xmlns:x='urn:x' xmlns:stream='http://etherx.jabber.org/streams'");
    let dom = message.child("y", "urn:x").unwrap().to_dom().unwrap();
    assert!(dom.has_child("w", "urn:x") && dom.has_child("v", "urn:m"));
}

#[test]
fn the_tree_has_what_the_bytes_say() {
    let dom =
        stanza("<iq id='&lt;' xml:lang='en'>a<stream:q b='1'>x<![CDATA[y]]></stream:q>&amp;c</iq>").to_dom().unwrap();
    assert!(dom.is("iq", "jabber:client"));
    assert_eq!(dom.attr("id"), Some("<"));
    assert_eq!(dom.attr_ns("http://www.w3.org/XML/1998/namespace", "lang"), Some("en"));
    assert_eq!(dom.text(), "a&c");
    let child = dom.get_child("q", "http://etherx.jabber.org/streams").unwrap();
    assert_eq!((child.attr("b"), child.text().as_str()), (Some("1"), "xy"));
}

#[test]
fn a_name_that_minidom_cannot_write_makes_no_tree() {
    for xml in ["<iq><\u{ffef}/></iq>", "<iq><a \u{fdf0}='1'/></iq>", "<iq><a\u{fffd}/></iq>"] {
        assert!(stanza(xml).to_dom().is_err(), "{xml}");
    }
    let written = String::from(&stanza("<iq><a b='\u{ffef}'>\u{fffd}</a></iq>").to_dom().unwrap());
    assert!(written.contains("<a b='\u{ffef}'>\u{fffd}</a>"), "{written}");
}

#[test]
fn one_element_can_be_read_outside_a_stream() {
    let element = Element::parse(" <message><body/></message>\n", "jabber:client").unwrap();
    assert_eq!(element.bytes(), "<message><body/></message>");
    assert!(element.child("body", "jabber:client").is_some());
    assert!(Element::parse("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", "").unwrap().attr("to").is_none());
    for bad in ["", " ", "text", "<a>", "<a", "<a/><b/>", "<a/>x", "</a>", "<![CDATA[x]]>", "<a></a></a>"] {
        assert_eq!(Element::parse(bad, "").unwrap_err(), XmlError::NotWellFormed, "{bad}");
    }
    assert_eq!(Element::parse("<?xml version='1.0'?><a/>", "").unwrap_err(), XmlError::RestrictedXml);
    let small = Limits { stanza_bytes_max: 8, ..LIMITS };
    assert!(Element::parse_within("<abcde/>  ", "", &small).is_ok());
    let refused = Element::parse_within("<abcdef/>", "", &small).unwrap_err();
    assert_eq!(refused, XmlError::PolicyViolation(Bound::StanzaBytes));
}

#[test]
fn what_is_logged_of_an_element_is_not_its_text() {
    let logged = format!("{:?} {:?}", stanza(MESSAGE), stanza(MESSAGE).child("body", "jabber:client"));
    assert!(logged.contains("message") && !logged.contains("Hi") && !logged.contains("bob"));
}

#[test]
fn what_was_escaped_reads_back() {
    let text = "<&>'\" ]]> \t\r\n ☃ \u{1F600}";
    let (mut escaped_text, mut value) = (String::new(), String::new());
    escape_into(&mut escaped_text, text);
    escape_attribute_into(&mut value, text);
    assert_eq!(value, escaped(text));
    let element = stanza(&format!("<a b='{value}' c=\"{value}\">{escaped_text}</a>"));
    assert_eq!(element.text().as_deref(), Some(text));
    assert_eq!(element.attr("b").as_deref(), Some(text));
    assert_eq!(element.attr("c").as_deref(), Some(text));
    assert!(escaped_text.contains('\n') && !value.contains('\n'));
    assert!(matches!(escaped("plain ☃"), Cow::Borrowed(_)));
}

#[test]
fn what_xml_cannot_carry_is_replaced() {
    assert_eq!(escaped("a\0b\u{1b}c\u{fffe}d\u{ffff}\u{fffd}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}\u{fffd}");
}
