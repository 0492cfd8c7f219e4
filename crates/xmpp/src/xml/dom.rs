//! From a checked element to a tree, for those payloads that are worth one.

use minidom::rxml::{self, NcName};

use super::decode;
use super::error::XmlError;
use super::lexer::{Lexer, Token};
use super::namespaces::{Bindings, Entered, Namespace, Scope, uri};
use super::tag::{Role, StartTag};

/// Builds the tree of the one element in `frame`.
///
/// # Errors
/// Those of reading it, if it was not checked before.
pub(super) fn build(frame: &[u8], scope: &Scope) -> Result<minidom::Element, XmlError> {
    let mut lexer = Lexer::default();
    let mut bindings = Bindings::default();
    let mut open: Vec<(minidom::Element, Entered)> = Vec::new();
    let mut tag = StartTag::default();
    while let Some(token) = lexer.next(frame, &mut tag, usize::MAX)? {
        let is_last = match token {
            Token::Text(run) => {
                append_text(&mut open, &decode::text(run.of(frame)));
                false
            }
            Token::Cdata(run) => {
                append_text(&mut open, &decode::cdata(run.of(frame)));
                false
            }
            Token::Start(_) => {
                let inherited = open.last().map_or(Namespace::Content, |(_, entered)| entered.default);
                open.push(element(frame, &tag, inherited, scope, &mut bindings)?);
                tag.is_empty
            }
            Token::End(_) => true,
        };
        if !is_last {
            continue;
        }
        let (element, entered) = open.pop().ok_or(XmlError::NotWellFormed)?;
        bindings.leave(entered.floor);
        match open.last_mut() {
            Some((parent, _)) => _ = parent.append_child(element),
            None => return Ok(element),
        }
    }
    Err(XmlError::NotWellFormed)
}

fn append_text(open: &mut [(minidom::Element, Entered)], text: &str) {
    if let Some((element, _)) = open.last_mut()
        && !text.is_empty()
    {
        element.append_text(text);
    }
}

fn element(
    frame: &[u8],
    tag: &StartTag,
    inherited: Namespace,
    scope: &Scope,
    bindings: &mut Bindings,
) -> Result<(minidom::Element, Entered), XmlError> {
    let entered = bindings.enter(frame, tag, inherited, scope, usize::MAX)?;
    let namespace = uri(entered.namespace, frame, scope, &bindings.decoded);
    // minidom takes any name, and panics when it writes one that rxml would refuse: U+FDF0 to U+FFFD.
    let name = ncname(tag.name.local().text(frame))?;
    let mut element = minidom::Element::bare(name, namespace);
    for attribute in &tag.attributes {
        let namespace = match attribute.role {
            Role::DeclaresDefault | Role::DeclaresPrefix => continue,
            Role::Plain => rxml::Namespace::NONE,
            Role::Prefixed => {
                let namespace = bindings.resolve(frame, attribute.name.prefix(), scope)?;
                uri(namespace, frame, scope, &bindings.decoded).to_owned().into()
            }
        };
        let name = ncname(attribute.name.local().text(frame))?;
        element.set_attr(namespace, name, decode::value(attribute.value.of(frame)).into_owned());
    }
    Ok((element, entered))
}

fn ncname(name: &str) -> Result<NcName, XmlError> {
    NcName::try_from(name).map_err(|_| XmlError::NotWellFormed)
}
