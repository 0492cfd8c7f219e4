//! The comparison with rxml, an independent and strict parser. The fuzz target `xml_scanner` compiles this file too:
//! `super` names what it needs, and nothing in it knows who finds the documents.
//!
//! Known differences, all on purpose: here text between stanzas is refused (RFC 6120 §11.7), and so is an XML
//! declaration of more than 128 bytes; `standalone='no'` is accepted; the name of the root right below the root is
//! another stream header (RFC 6120 §4.9.3.1). Three mistakes of rxml 0.14 are made good before comparing; two more are let
//! pass: it knows no names with U+FDF0 to U+FFFD, and no character reference of more than eight digits.

use std::collections::BTreeMap;
use std::fmt::Debug;

use minidom::Node;
use rxml::{Event, Parse, Parser, RawEvent, RawParser};

use super::{Element, Frame, escaped, ns, stream_of};

/// What the two make of a document otherwise than documented.
type Difference = String;

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
    /// There is text or another stream header between its stanzas, which only XMPP forbids.
    OnlyXmppForbids,
    /// Refused, or without an end.
    Refused,
}

fn read_by_us(document: &[u8]) -> Verdict {
    let (mut scanner, mut input) = stream_of(document);
    let mut stanzas = Vec::new();
    let mut is_open = false;
    loop {
        match scanner.next(&mut input) {
            Ok(Some(Frame::Open(_))) if is_open => return Verdict::OnlyXmppForbids,
            Ok(Some(Frame::Open(_))) => is_open = true,
            Ok(Some(Frame::Element(element))) => stanzas.push(element),
            Ok(Some(Frame::Close)) if matches!(scanner.next(&mut input), Ok(None)) => return Verdict::Read(stanzas),
            Err(_) if is_open && (!input.starts_with(b"<") || input.starts_with(b"<![CDATA[")) => {
                return Verdict::OnlyXmppForbids;
            }
            Ok(_) | Err(_) => return Verdict::Refused,
        }
    }
}

/// rxml 0.14 refuses white space before a root without a declaration. XML 1.0 §2.8 allows it.
fn without_leading_space(document: &[u8]) -> &[u8] {
    let spaces = document.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    let trimmed = &document[spaces..];
    if trimmed.starts_with(b"<?") { document } else { trimmed }
}

/// rxml 0.14 refuses a carriage return alone in an attribute. XML 1.0 §2.11 makes it a line feed before all else.
fn with_line_feeds(document: &[u8]) -> Vec<u8> {
    let pairs = document.iter().zip(document.iter().skip(1).chain(b" "));
    let is_kept = |(byte, next): &(&u8, &u8)| (**byte, **next) != (b'\r', b'\n');
    pairs.filter(is_kept).map(|(byte, _)| if *byte == b'\r' { b'\n' } else { *byte }).collect()
}

/// An XML declaration that is longer than ours may be, or says `standalone`.
fn has_unusual_declaration(document: &[u8]) -> bool {
    let end = document.iter().position(|byte| *byte == b'>').unwrap_or(document.len());
    let declaration = &document[..end];
    let says_standalone = declaration.windows(10).any(|word| word == b"standalone");
    declaration.starts_with(b"<?") && (end >= 128 || says_standalone)
}

/// What rxml 0.14 accepts of default namespaces and should not: two in one tag, of which it takes the last (XML 1.0 §3.1
/// forbids two attributes of one name), and the two reserved names (Namespaces in XML §3).
fn declares_default_wrongly(document: &[u8]) -> bool {
    let mut parser = RawParser::new();
    let mut rest = document;
    let mut defaults = 0;
    while let Ok(Some(event)) = parser.parse(&mut rest, true) {
        match event {
            RawEvent::ElementHeadOpen(..) => defaults = 0,
            RawEvent::Attribute(_, (None, name), value) if name == "xmlns" => {
                if value == ns::XML || value == ns::XMLNS {
                    return true;
                }
                defaults += 1;
            }
            _ => {}
        }
        if defaults == 2 {
            return true;
        }
    }
    false
}

/// A character reference of more digits than rxml 0.14 takes: XML 1.0 §4.1 allows any number of zeros before the others.
fn has_long_reference(document: &[u8]) -> bool {
    let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let after = |lead: &'static [u8]| {
        document
            .windows(lead.len())
            .enumerate()
            .filter(move |(_, bytes)| *bytes == lead)
            .map(move |(at, _)| at + lead.len())
    };
    after(b"&#").chain(after(b"&#x")).any(|at| digits(&document[at..]) > 8)
}

/// Whether both read `document`, and alike; fails where they differ in an undocumented way.
pub(super) fn compare(document: &[u8]) -> Result<bool, Difference> {
    if has_unusual_declaration(document) {
        return Ok(false);
    }
    let theirs =
        read_by_rxml(&with_line_feeds(without_leading_space(document))).filter(|_| !declares_default_wrongly(document));
    let ours = match read_by_us(document) {
        Verdict::Read(stanzas) => stanzas,
        Verdict::OnlyXmppForbids => return Ok(false),
        Verdict::Refused => {
            let only_we_refuse = || format!("only we refuse {}", document.escape_ascii());
            return if theirs.is_none() { Ok(false) } else { Err(only_we_refuse()) };
        }
    };
    let Some(root) = theirs else {
        if document.windows(3).any(|bytes| matches!(bytes, [0xEF, 0xB7..=0xBF, _])) || has_long_reference(document) {
            return Ok(false);
        }
        return Err(format!("only rxml refuses {}", document.escape_ascii()));
    };
    same(ours.len(), root.children().count())?;
    for (element, tree) in ours.iter().zip(root.children()) {
        same(&Tree::from(&element.to_dom().unwrap()), tree)?;
        check_views(element, tree)?;
        check_moved(element, tree)?;
    }
    Ok(true)
}

/// The views that build no tree agree with the tree.
fn check_views(element: &Element, tree: &Tree) -> Result<(), Difference> {
    same(element.is(&tree.name, &tree.namespace), true)?;
    same(element.text().map(String::from), tree.text())?;
    for ((namespace, name), value) in &tree.attributes {
        match namespace.as_str() {
            "" => same(element.attr(name), Some(value.into()))?,
            ns::XML if name == "lang" => same(element.lang(), Some(value.into()))?,
            _ => {}
        }
    }
    same(element.children().len(), tree.children().count())?;
    for (child, tree) in element.children().zip(tree.children()) {
        same(child.is(&tree.name, &tree.namespace), true)?;
        same(child.text().map(String::from), tree.text())?;
        same(&element.inner()[child.range()], child.bytes())?;
        for ((namespace, name), value) in &tree.attributes {
            if namespace.is_empty() {
                same(child.attr(name), Some(value.into()))?;
            }
        }
        check_views(&child.to_element().unwrap(), tree)?;
    }
    Ok(())
}

/// The content means the same under a start tag of ours, given the declarations.
fn check_moved(element: &Element, tree: &Tree) -> Result<(), Difference> {
    let mut moved = b"<moved".to_vec();
    // A default namespace among the declarations takes the place of the start tag's own.
    if !element.declarations().starts_with(" xmlns='") {
        moved.extend_from_slice(format!(" xmlns='{}'", escaped(element.namespace())).as_bytes());
    }
    moved.extend_from_slice(element.declarations().as_bytes());
    moved.push(b'>');
    moved.extend_from_slice(element.inner());
    moved.extend_from_slice(b"</moved>");
    let moved = Element::parse(moved, "").unwrap();
    same(&Tree::from(&moved.to_dom().unwrap()).nodes, &tree.nodes)?;
    Ok(())
}

fn same<T: PartialEq<U> + Debug, U: Debug>(ours: T, theirs: U) -> Result<(), Difference> {
    if ours == theirs { Ok(()) } else { Err(format!("we read {ours:?}, rxml reads {theirs:?}")) }
}
