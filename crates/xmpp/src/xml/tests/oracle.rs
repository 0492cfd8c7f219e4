//! The same documents read by rxml, an independent and strict parser.
//!
//! Known differences, all on purpose: here text between stanzas is refused (RFC 6120 §11.7), and so is an XML
//! declaration of more than 128 bytes; `standalone='no'` is accepted. Three mistakes of rxml 0.14 are made good before
//! comparing.

use std::collections::BTreeMap;

use minidom::Node;
use proptest::prelude::*;
use rxml::{Event, Parse, Parser, RawEvent, RawParser};

use super::*;

/// An element as both parsers must see it; neighbouring text is one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tree {
    name: String,
    namespace: String,
    attributes: BTreeMap<(String, String), String>,
    nodes: Vec<Result<Tree, String>>,
}

impl Tree {
    fn push_text(&mut self, text: &str) {
        match self.nodes.last_mut() {
            Some(Err(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => self.nodes.push(Err(text.to_owned())),
        }
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| node.as_ref().ok())
    }

    fn text(&self) -> Option<String> {
        let texts: String = self.nodes.iter().filter_map(|node| node.as_ref().err()).cloned().collect();
        Some(texts).filter(|text| !text.is_empty())
    }
}

impl From<&minidom::Element> for Tree {
    fn from(dom: &minidom::Element) -> Self {
        let mut tree = Self { name: dom.name().to_owned(), namespace: dom.ns(), ..Self::default() };
        for ((namespace, name), value) in dom.attrs() {
            tree.attributes.insert((namespace.to_string(), name.to_string()), value.clone());
        }
        for node in dom.nodes() {
            match node {
                Node::Text(text) => tree.push_text(text),
                Node::Element(child) => tree.nodes.push(Ok(child.into())),
            }
        }
        tree
    }
}

/// The document's root as rxml sees it; `None` if it refuses, or finds no end.
fn read_by_rxml(document: &[u8]) -> Option<Tree> {
    let mut parser = Parser::new();
    let mut rest = document;
    let mut open = vec![Tree::default()];
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                let attributes =
                    attributes.into_iter().map(|((ns, name), value)| ((ns.to_string(), name.to_string()), value));
                open.push(Tree {
                    name: name.to_string(),
                    namespace: namespace.to_string(),
                    attributes: attributes.collect(),
                    nodes: Vec::new(),
                });
            }
            Ok(Some(Event::EndElement(_))) => {
                let ended = open.pop().unwrap();
                open.last_mut().unwrap().nodes.push(Ok(ended));
            }
            Ok(Some(Event::Text(_, text))) => open.last_mut().unwrap().push_text(&text),
            Ok(Some(Event::XmlDeclaration(..))) => {}
            Ok(None) => return open.pop().unwrap().nodes.pop()?.ok(),
            Err(_) => return None,
        }
    }
}

/// What became of a stream.
enum Verdict {
    Read(Vec<Element>),
    /// There is text between its stanzas, which only XMPP forbids.
    TextBetween,
    /// Refused, or without an end.
    Refused,
}

fn read_by_us(document: &[u8]) -> Verdict {
    let (mut scanner, mut input) = stream_of(document);
    let mut stanzas = Vec::new();
    let mut is_open = false;
    loop {
        match scanner.next(&mut input) {
            Ok(Some(Frame::Open(_))) => is_open = true,
            Ok(Some(Frame::Element(element))) => stanzas.push(element),
            Ok(Some(Frame::Close)) if matches!(scanner.next(&mut input), Ok(None)) => return Verdict::Read(stanzas),
            Err(_) if is_open && (!input.starts_with(b"<") || input.starts_with(b"<![CDATA[")) => {
                return Verdict::TextBetween;
            }
            Ok(_) | Err(_) => return Verdict::Refused,
        }
    }
}

/// rxml 0.14 refuses white space before a root without a declaration. XML 1.0 §2.8 allows it.
fn without_leading_space(document: &[u8]) -> &[u8] {
    let trimmed = document.trim_ascii_start();
    if trimmed.starts_with(b"<?") { document } else { trimmed }
}

/// rxml 0.14 refuses a carriage return alone in an attribute. XML 1.0 §2.11 makes it a line feed before all else.
fn with_line_feeds(document: &[u8]) -> Vec<u8> {
    let pairs = document.iter().zip(document.iter().skip(1).chain(b" "));
    let is_kept = |(byte, next): &(&u8, &u8)| (**byte, **next) != (b'\r', b'\n');
    pairs.filter(is_kept).map(|(byte, _)| if *byte == b'\r' { b'\n' } else { *byte }).collect()
}

/// rxml 0.14 accepts this and takes the last. XML 1.0 §3.1 forbids two attributes of one name.
fn declares_default_twice(document: &[u8]) -> bool {
    let mut parser = RawParser::new();
    let mut rest = document;
    let mut defaults = 0;
    while let Ok(Some(event)) = parser.parse(&mut rest, true) {
        match event {
            RawEvent::ElementHeadOpen(..) => defaults = 0,
            RawEvent::Attribute(_, (None, name), _) if name == "xmlns" => defaults += 1,
            _ => {}
        }
        if defaults == 2 {
            return true;
        }
    }
    false
}

/// Whether both read `document`, and alike; fails where they differ in an undocumented way.
fn compare(document: &[u8]) -> Result<bool, TestCaseError> {
    let theirs =
        read_by_rxml(&with_line_feeds(without_leading_space(document))).filter(|_| !declares_default_twice(document));
    let ours = match read_by_us(document) {
        Verdict::Read(stanzas) => stanzas,
        Verdict::TextBetween => return Ok(false),
        Verdict::Refused => {
            prop_assert!(theirs.is_none(), "only we refuse {}", document.escape_ascii());
            return Ok(false);
        }
    };
    let Some(root) = theirs else {
        return Err(TestCaseError::fail(format!("only rxml refuses {}", document.escape_ascii())));
    };
    prop_assert_eq!(ours.len(), root.children().count());
    for (element, tree) in ours.iter().zip(root.children()) {
        prop_assert_eq!(&Tree::from(&element.to_dom().unwrap()), tree);
        check_views(element, tree)?;
        check_moved(element, tree)?;
    }
    Ok(true)
}

/// The views that build no tree agree with the tree.
fn check_views(element: &Element, tree: &Tree) -> Result<(), TestCaseError> {
    prop_assert!(element.is(&tree.name, &tree.namespace));
    prop_assert_eq!(element.text().map(String::from), tree.text());
    for ((namespace, name), value) in &tree.attributes {
        match namespace.as_str() {
            "" => prop_assert_eq!(element.attr(name), Some(value.into())),
            crate::ns::XML if name == "lang" => prop_assert_eq!(element.lang(), Some(value.into())),
            _ => {}
        }
    }
    prop_assert_eq!(element.children().len(), tree.children().count());
    for (child, tree) in element.children().zip(tree.children()) {
        prop_assert!(child.is(&tree.name, &tree.namespace));
        prop_assert_eq!(child.text().map(String::from), tree.text());
        prop_assert_eq!(&element.inner()[child.range()], child.bytes());
        for ((namespace, name), value) in &tree.attributes {
            if namespace.is_empty() {
                prop_assert_eq!(child.attr(name), Some(value.into()));
            }
        }
        check_views(&child.to_element().unwrap(), tree)?;
    }
    Ok(())
}

/// The content means the same under a start tag of ours, given the declarations.
fn check_moved(element: &Element, tree: &Tree) -> Result<(), TestCaseError> {
    let mut moved = b"<moved".to_vec();
    // A default namespace among the declarations takes the place of the start tag's own.
    if !element.declarations().starts_with(" xmlns='") {
        moved.extend_from_slice(format!(" xmlns='{}'", crate::xml::escaped(element.namespace())).as_bytes());
    }
    moved.extend_from_slice(element.declarations().as_bytes());
    moved.push(b'>');
    moved.extend_from_slice(element.inner());
    moved.extend_from_slice(b"</moved>");
    let moved = Element::parse(moved, "").unwrap();
    prop_assert_eq!(&Tree::from(&moved.to_dom().unwrap()).nodes, &tree.nodes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_read_a_correct_document_alike(document in document()) {
        prop_assert!(compare(document.as_bytes())?, "refused {document}");
    }

    #[test]
    fn what_rxml_refuses_in_a_damaged_document_we_refuse(
        document in document(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let mut bytes = document.into_bytes();
        for (place, damage) in damages {
            let at = place.index(bytes.len());
            match damage {
                Damage::Remove(len) => _ = bytes.drain(at..(at + len).min(bytes.len())),
                Damage::Insert(what) => _ = bytes.splice(at..at, what.iter().copied()),
                Damage::Replace(byte) => bytes[at] = byte,
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
        compare(&bytes)?;
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Remove(usize),
    Insert(&'static [u8]),
    Replace(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    const INSERTED: &[&[u8]] = &[
        b"<",
        b">",
        b"/",
        b"'",
        b"\"",
        b"=",
        b":",
        b"&",
        b";",
        b"&#0;",
        b"&#65;",
        b"&x;",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"<?x?>",
        b"\0",
        b"\xFF",
        b"\xC3",
        b"\xC3\xA4",
        b"\xEF\xBF\xBF",
        b" ",
        b"\n",
        b" a='1'",
        b"p:",
        b" xmlns:p='p'",
        b" xmlns=''",
        b" xmlns:p=''",
        b" xmlns:xml='p'",
        b" xmlns:xmlns='p'",
        b"xml:",
        b"<a>",
        b"</a>",
    ];
    prop_oneof![
        (1_usize..6).prop_map(Damage::Remove),
        prop::sample::select(INSERTED).prop_map(Damage::Insert),
        any::<u8>().prop_map(Damage::Replace),
        prop::sample::select(&b"<>/'\"=:&;!?[] \tax1"[..]).prop_map(Damage::Replace),
    ]
}

/// A correct stream, from its declaration to its end.
pub(super) fn document() -> impl Strategy<Value = String> {
    let declaration =
        prop::sample::select(&["", "<?xml version='1.0'?>", "<?xml version=\"1.0\" encoding='UTF-8'?>\n"][..]);
    let header =
        prop::sample::select(&[HEADER, "<stream:stream xmlns:stream='s' xmlns:p='top'  xmlns=\"jabber:client\" >"][..]);
    (declaration, header, prop::collection::vec((element(), "[ \n]{0,2}"), 0..4)).prop_map(
        |(declaration, header, stanzas)| {
            let mut out = format!("{declaration}{header}");
            for (stanza, space) in stanzas {
                out.push_str(&stanza);
                out.push_str(&space);
            }
            out + "</stream:stream>"
        },
    )
}

fn element() -> impl Strategy<Value = String> {
    let leaf = tag().prop_map(|(name, attributes, space)| format!("<{name}{attributes}{space}/>"));
    leaf.prop_recursive(4, 24, 4, |inner| {
        (tag(), prop::collection::vec(prop_oneof![inner, text()], 0..4)).prop_map(
            |((name, attributes, space), content)| {
                format!("<{name}{attributes}{space}>{}</{name}{space}>", content.concat())
            },
        )
    })
}

/// Name, attributes and closing space of a tag whose every prefix is declared, by itself or by the header.
fn tag() -> impl Strategy<Value = (String, String, &'static str)> {
    let name = prop::sample::select(&["a", "body", "q1", "ö", "p:x", "stream:y", "q:z", "xml:v"][..]);
    let namespaces = prop::sample::select(
        &[
            "",
            "",
            " xmlns='urn:1'",
            " xmlns=''",
            " xmlns='urn:&lt;2'",
            " xmlns:stream='urn:3'",
            " xmlns:r =\n\"urn:\t4\" r:a='r'",
        ][..],
    );
    let plain = prop::sample::subsequence(
        &[
            " to='b'",
            " id=\"&#9731;'\"",
            " type = '&amp; \n\t\r\n'",
            " xml:lang='en'",
            "\tx.y='>'",
            " ü=''",
            " stream:to='s'",
        ][..],
        0..5,
    );
    let space = prop::sample::select(&["", " ", "\n"][..]);
    (name, namespaces, plain, space).prop_map(|(name, namespaces, plain, space)| {
        let own = match name.split_once(':') {
            Some(("p", _)) => " xmlns:p='urn:p'",
            Some(("q", _)) => " xmlns:q='urn:&#113;' q:to=''",
            _ => "",
        };
        (name.to_owned(), format!("{own}{namespaces}{}", plain.concat()), space)
    })
}

fn text() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(
        &[
            "&lt;",
            "&amp;amp;",
            "&#x1F600;",
            "&#13;",
            "<![CDATA[<x>&y;]]>",
            "<![CDATA[]]>",
            "\r\n",
            "\r",
            "]]",
            "☃",
            "'\">",
        ][..],
    );
    prop_oneof![fixed.prop_map(str::to_owned), "[a-z ü\n]{0,12}", "[ -%'-;=?-Z^-~]{0,20}"]
}
