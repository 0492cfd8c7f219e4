//! Patterns: XML with placeholders that a received element must fit. The rules are described for
//! authors of scenarios in `tests/scenarios/README.md`; this file is what they mean exactly.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use minidom::rxml::{Namespace, NcName};
use minidom::{Element, Node};

const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const STREAMS: &str = "http://etherx.jabber.org/streams";

/// Values that placeholders captured, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures(BTreeMap<String, String>);

impl Captures {
    /// A captured value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Puts captured values in place of `{$name}`.
    ///
    /// # Errors
    /// When a name was not captured.
    pub fn fill(&self, text: &str) -> Result<String> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Use(name) => {
                    let value = self.value(name).with_context(|| format!("nothing was captured as {name}"))?;
                    filled.push_str(&value.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;"));
                }
                Piece::Text(text) => filled.push_str(text),
                Piece::Any => filled.push_str("{any}"),
                Piece::Capture(name) => bail!("{{{name}=any}} only makes sense in what is received"),
            }
        }
        Ok(filled)
    }
}

/// Reads one element whose default namespace is `namespace` and where `stream:` is known.
///
/// # Errors
/// When it is not well-formed.
pub fn parse_fragment(xml: &str, namespace: &str) -> Result<Element> {
    let mut elements = parse_fragments(xml, namespace)?;
    match (elements.pop(), elements.is_empty()) {
        (Some(element), true) => Ok(element),
        _ => bail!("one element is needed: {xml}"),
    }
}

/// As [`parse_fragment`], for any number of elements in a row.
///
/// # Errors
/// When they are not well-formed, or there is text between them.
pub fn parse_fragments(xml: &str, namespace: &str) -> Result<Vec<Element>> {
    let whole = format!("<all xmlns='{namespace}' xmlns:stream='{STREAMS}'>{xml}</all>");
    let all = Element::from_reader(whole.as_bytes()).map_err(|error| anyhow!("{error} in {xml}"))?;
    if all.texts().any(|text| !text.trim().is_empty()) {
        bail!("text between elements: {xml}");
    }
    Ok(all.children().cloned().collect())
}

/// An element as text.
#[must_use]
pub fn show(element: &Element) -> String {
    let mut bytes = Vec::new();
    match element.write_to(&mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("<!-- {error} -->"),
    }
}

/// Sets an attribute without a namespace.
///
/// # Errors
/// When `name` is no XML name.
pub(crate) fn set(element: &mut Element, name: &str, value: &str) -> Result<()> {
    let name = NcName::try_from(name.to_owned()).map_err(|error| anyhow!("{error}"))?;
    element.set_attr(Namespace::NONE, name, value);
    Ok(())
}

/// Whether `actual`, received by `me` (a full JID or a component's domain), fits `pattern`.
/// Captures are only added when it does.
///
/// # Errors
/// Says what does not fit.
pub fn matches(pattern: &Element, actual: &Element, captures: &mut Captures, me: &str) -> Result<(), String> {
    let mut tried = captures.clone();
    Matcher { captures: &mut tried, me }.element(pattern, actual, true)?;
    *captures = tried;
    Ok(())
}

struct Matcher<'a> {
    captures: &'a mut Captures,
    me: &'a str,
}

impl Matcher<'_> {
    fn element(&mut self, pattern: &Element, actual: &Element, top: bool) -> Result<(), String> {
        if pattern.name() != actual.name() || pattern.ns() != actual.ns() {
            let name = |element: &Element| format!("<{} xmlns='{}'>", element.name(), element.ns());
            return Err(format!("{} where {} was expected", name(actual), name(pattern)));
        }
        let open = pattern.texts().any(|text| text.contains("{...}"));
        self.attributes(pattern, actual, open, top)?;
        self.children(pattern, actual, open)?;
        if pattern.children().next().is_none() || !own_text(actual).is_empty() {
            let expected = own_text(pattern).replace("{...}", "");
            let expected = expected.trim();
            let anything = open && expected.is_empty();
            if !anything && !self.text(expected, &own_text(actual)) {
                return Err(format!(
                    "<{}> contains {:?} where {expected:?} was expected",
                    actual.name(),
                    own_text(actual)
                ));
            }
        }
        Ok(())
    }

    fn attributes(&mut self, pattern: &Element, actual: &Element, open: bool, top: bool) -> Result<(), String> {
        for ((namespace, name), expected) in pattern.attrs() {
            let Some(value) = actual.attr_ns(namespace, name) else {
                return Err(format!("<{}> has no attribute {name}", actual.name()));
            };
            if !self.text(expected, value) {
                return Err(format!("{name}='{value}' where '{expected}' was expected"));
            }
        }
        for ((namespace, name), value) in actual.attrs() {
            let listed = pattern.attr_ns(namespace, name).is_some();
            if !listed && !open && !self.may_be_unlisted(actual, name, value, top) {
                return Err(format!("<{}> has an attribute {name}='{value}' that was not expected", actual.name()));
            }
        }
        Ok(())
    }

    fn children(&mut self, pattern: &Element, actual: &Element, open: bool) -> Result<(), String> {
        let mut left: Vec<&Element> = actual.children().collect();
        for expected in pattern.children() {
            let mut why = None;
            let found = left.iter().position(|child| {
                let mut tried = self.captures.clone();
                match (Matcher { captures: &mut tried, me: self.me }).element(expected, child, false) {
                    Ok(()) => {
                        *self.captures = tried;
                        true
                    }
                    Err(reason) => {
                        // The reason of the child that was meant: the one of that name.
                        if child.name() == expected.name() && why.is_none() {
                            why = Some(reason);
                        }
                        false
                    }
                }
            });
            match found {
                Some(position) => drop(left.remove(position)),
                None => return Err(why.unwrap_or_else(|| format!("<{}> has no {}", actual.name(), show(expected)))),
            }
        }
        left.retain(|child| {
            pattern.has_child(child.name(), child.ns().as_str()) || !self.may_come_unasked(actual, child)
        });
        match left.first() {
            Some(child) if !open => {
                Err(format!("<{}> has a child that was not expected: {}", actual.name(), show(child)))
            }
            _ => Ok(()),
        }
    }

    /// Attributes that a pattern need not list because servers differ and nothing hangs on them.
    fn may_be_unlisted(&self, element: &Element, name: &str, value: &str, top: bool) -> bool {
        let bare = self.me.split('/').next().unwrap_or_default();
        let domain = bare.rsplit('@').next().unwrap_or_default();
        match (element.name(), name) {
            (_, "lang") => true,
            // RFC 6121 §2.6: only with roster versioning.
            ("query", "ver") => element.ns() == "jabber:iq:roster",
            ("error", "by" | "code") => true,
            ("message" | "presence" | "iq", "id") => true,
            ("message" | "presence" | "iq", "to") => top && (value == self.me || value == bare),
            ("iq", "from") => top && [self.me, bare, domain].contains(&value),
            _ => false,
        }
    }

    /// Children that a pattern need not list.
    fn may_come_unasked(&self, parent: &Element, child: &Element) -> bool {
        let bare = self.me.split('/').next().unwrap_or_default();
        match (parent.name(), child.name()) {
            ("message", "stanza-id") => child.ns() == "urn:xmpp:sid:0" && child.attr("by") == Some(bare),
            ("presence", "delay") => child.ns() == "urn:xmpp:delay",
            ("error", "text") => child.ns() == STANZA_ERRORS,
            _ => false,
        }
    }

    fn text(&mut self, pattern: &str, actual: &str) -> bool {
        let pieces: Vec<Piece<'_>> = pieces(pattern).collect();
        self.fits(&pieces, actual.trim())
    }

    fn fits(&mut self, pieces: &[Piece<'_>], actual: &str) -> bool {
        let Some((first, rest)) = pieces.split_first() else { return actual.is_empty() };
        let literal = match first {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Use(name) => match self.captures.value(name) {
                Some(value) => value.to_owned(),
                None => return false,
            },
            Piece::Any | Piece::Capture(_) => return self.fits_any(first, rest, actual),
        };
        actual.strip_prefix(&literal).is_some_and(|actual| self.fits(rest, actual))
    }

    /// The shortest text, at least one character, after which the rest fits.
    fn fits_any(&mut self, first: &Piece<'_>, rest: &[Piece<'_>], actual: &str) -> bool {
        let ends = actual.char_indices().skip(1).map(|(end, _)| end).chain([actual.len()]);
        for end in ends.filter(|end| *end > 0) {
            let (taken, left) = actual.split_at(end);
            if self.fits(rest, left) {
                if let Piece::Capture(name) = first {
                    self.captures.0.insert((*name).to_owned(), taken.to_owned());
                }
                return true;
            }
        }
        false
    }
}

/// The text directly in an element.
fn own_text(element: &Element) -> String {
    let text: String = element.nodes().filter_map(Node::as_text).collect();
    text.trim().to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Any,
    Capture(&'a str),
    Use(&'a str),
}

/// Cuts a text at its placeholders; a brace that begins none is text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut left = text;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        if let Some((piece, rest)) = placeholder(left) {
            left = rest;
            return Some(piece);
        }
        let end = left
            .char_indices()
            .skip(1)
            .map(|(at, _)| at)
            .find(|at| left.get(*at..).is_some_and(|rest| placeholder(rest).is_some()));
        let (piece, rest) = left.split_at(end.unwrap_or(left.len()));
        left = rest;
        Some(Piece::Text(piece))
    })
}

fn placeholder(text: &str) -> Option<(Piece<'_>, &str)> {
    let (inside, rest) = text.strip_prefix('{')?.split_once('}')?;
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let piece = match inside {
        "any" => Piece::Any,
        _ => match (inside.strip_prefix('$'), inside.strip_suffix("=any")) {
            (Some(name), _) if is_name(name) => Piece::Use(name),
            (_, Some(name)) if is_name(name) => Piece::Capture(name),
            _ => return None,
        },
    };
    Some((piece, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "alice@localhost/home";

    fn fit(pattern: &str, actual: &str) -> Result<Captures, String> {
        let mut captures = Captures::default();
        let pattern = parse_fragment(pattern, "jabber:client").unwrap();
        let actual = parse_fragment(actual, "jabber:client").unwrap();
        matches(&pattern, &actual, &mut captures, ME)?;
        Ok(captures)
    }

    #[test]
    fn what_is_listed_must_be_there_and_nothing_else() {
        let hello = "<message from='bob@localhost/x' type='chat'><body>hello</body></message>";
        assert!(fit(hello, hello).is_ok());
        assert!(fit(&hello.replace("hello", "bye"), hello).is_err());
        assert!(fit(&hello.replace("chat", "normal"), hello).is_err());
        assert!(fit("<message from='bob@localhost/x' type='chat'/>", hello).is_err());
        assert!(fit(hello, "<message from='bob@localhost/x' type='chat'/>").is_err());
        assert!(fit(hello, &hello.replace("<message", "<message extra='1'")).is_err());
        assert!(fit("<message from='bob@localhost/x' type='chat'><body/></message>", hello).is_err());
    }

    #[test]
    fn three_dots_allow_more_attributes_children_and_text() {
        let full = "<message from='bob@localhost/x' type='chat'><body>hello</body><x xmlns='y'/></message>";
        assert!(fit("<message>{...}</message>", full).is_ok());
        assert!(fit("<message><body>hello</body>{...}</message>", full).is_ok());
        assert!(fit("<message><body>bye</body>{...}</message>", full).is_err());
        assert!(fit("<body>{...}</body>", "<body>hello</body>").is_ok());
    }

    #[test]
    fn captures_are_used_later_and_forgotten_when_the_pattern_does_not_fit() {
        let captures = fit("<a b='x{one=any}z'><c>{two=any}</c></a>", "<a b='xyz'><c>text</c></a>").unwrap();
        assert_eq!((captures.value("one"), captures.value("two")), (Some("y"), Some("text")));
        assert_eq!(captures.fill("<d e='{$one}'/>").unwrap(), "<d e='y'/>");
        assert!(captures.fill("{$three}").is_err());
        assert!(fit("<a b='{one=any}' c='{$one}'/>", "<a b='1' c='1'/>").is_ok());
        assert!(fit("<a b='{one=any}' c='{$one}'/>", "<a b='1' c='2'/>").is_err());
        assert!(fit("<a b='{any}'/>", "<a b=''/>").is_err());
    }

    #[test]
    fn what_nothing_hangs_on_need_not_be_listed() {
        assert!(
            fit("<iq type='result'/>", "<iq type='result' id='1' to='alice@localhost/home' from='alice@localhost'/>")
                .is_ok()
        );
        assert!(
            fit("<message/>", "<message><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='alice@localhost'/></message>")
                .is_ok()
        );
        assert!(
            fit("<message/>", "<message><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='bob@localhost'/></message>")
                .is_err()
        );
        assert!(fit("<message/>", "<message from='bob@localhost'/>").is_err());
        let error = "<error type='cancel' by='localhost'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>why</text></error>";
        assert!(fit("<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", error).is_ok());
    }

    #[test]
    fn the_order_of_children_does_not_matter() {
        assert!(fit("<q><a/><b/></q>", "<q><b/><a/></q>").is_ok());
        assert!(fit("<q><a/><a/></q>", "<q><a/></q>").is_err());
    }
}
