//! The stream header: the start tag that opens a stream (RFC 6120 §4.2, §4.7).

use super::decode;
use super::error::XmlError;
use super::limits::Limits;
use super::namespaces::{Bindings, Namespace, Scope, uri};
use super::tag::StartTag;

/// A stream header as it came. Nothing in it was checked against RFC 6120 yet, only against the XML standards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// Local name of the root element: `stream`, if the peer means XMPP.
    pub name: String,
    /// Namespace of the root element; empty for none.
    pub namespace: String,
    /// Default namespace declared: that of the stanzas to come. Empty for none.
    pub content_namespace: String,
    /// `to`: the host the peer wants to reach.
    pub to: Option<String>,
    /// `from`: the entity the peer claims to be.
    pub from: Option<String>,
    /// `version` of XMPP.
    pub version: Option<String>,
    /// `id` of the stream.
    pub id: Option<String>,
    /// `xml:lang`: the default language of the stanzas to come.
    pub lang: Option<String>,
    /// Prefixes declared, each with its namespace, in the order written.
    pub prefixes: Vec<(String, String)>,
}

/// A stream header and what the scanner keeps of it.
pub(super) struct Opened {
    pub(super) header: StreamHeader,
    pub(super) scope: Scope,
    /// The root's qualified name, which its end tag must repeat.
    pub(super) root: Box<[u8]>,
    /// `<stream:stream/>`: the stream ends where it began.
    pub(super) is_empty: bool,
}

/// Reads `tag` of `frame` as a stream header.
///
/// # Errors
/// Those of its namespaces.
pub(super) fn read(frame: &[u8], tag: &StartTag, limits: &Limits) -> Result<Opened, XmlError> {
    let outside = Scope::default();
    let mut bindings = Bindings::default();
    let entered = bindings.enter(frame, tag, Namespace::None, &outside, limits.declarations_max)?;
    let scope = outside.within(frame, &entered, &bindings);
    let attribute = |name: &[u8]| {
        let value = tag.value(frame, name)?;
        Some(decode::value(value.of(frame)).into_owned())
    };
    let header = StreamHeader {
        name: tag.name.local().text(frame).to_owned(),
        namespace: uri(entered.namespace, frame, &outside, &bindings.decoded).to_owned(),
        content_namespace: scope.content.to_string(),
        to: attribute(b"to"),
        from: attribute(b"from"),
        version: attribute(b"version"),
        id: attribute(b"id"),
        lang: attribute(b"xml:lang"),
        prefixes: scope.prefixes.iter().map(|(prefix, uri)| (prefix.to_string(), uri.to_string())).collect(),
    };
    Ok(Opened { header, scope, root: tag.name.whole().of(frame).into(), is_empty: tag.is_empty })
}
