//! A whole element as the bytes it came in, and the names and positions routing asks for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::child::Child;
use super::decode;
use super::dom;
use super::error::XmlError;
use super::limits::Limits;
use super::namespaces::{Bindings, Namespace, Scope, uri};
use super::outline::Shape;
use super::scanner::read_one;
use super::span::Span;
use super::tag::StartTag;

/// A stanza or other first-level element, checked to be well-formed.
///
/// Cheap to clone. It shares the buffer it was read into and keeps all of that alive: what is kept for long copies
/// [`Element::bytes`] first.
#[derive(Clone)]
pub struct Element {
    bytes: Bytes,
    scope: Arc<Scope>,
    shape: Shape,
}

impl Element {
    pub(super) const fn new(bytes: Bytes, scope: Arc<Scope>, shape: Shape) -> Self {
        Self { bytes, scope, shape }
    }

    /// Reads one complete element of our own making, with white space around it at most.
    ///
    /// `content_ns` is the default namespace it stands in; empty for none.
    ///
    /// # Errors
    /// As [`Scanner::next`](super::Scanner::next) has them, within [`Limits::TRUSTED`].
    pub fn parse(bytes: impl Into<Bytes>, content_ns: &str) -> Result<Self, XmlError> {
        Self::parse_within(bytes, content_ns, &Limits::TRUSTED)
    }

    /// Reads one complete element from a stranger, as a WebSocket message or BOSH body is.
    ///
    /// # Errors
    /// As [`Element::parse`], within `limits`.
    pub fn parse_within(bytes: impl Into<Bytes>, content_ns: &str, limits: &Limits) -> Result<Self, XmlError> {
        read_one(&bytes.into(), Arc::new(Scope::with_content(content_ns)), limits)
    }

    /// The element from its `<` to its last `>`.
    ///
    /// In another stream it means the same only if it stands in the same content namespace and uses no prefix
    /// of its stream header.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The local name.
    pub fn name(&self) -> &str {
        self.shape.name.text(&self.bytes)
    }

    /// The namespace name; empty for none.
    pub fn namespace(&self) -> &str {
        self.uri(self.shape.namespace)
    }

    /// Whether local name and namespace are these.
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.name() == name && self.namespace() == ns
    }

    /// The value of the attribute without a prefix of this name, decoded.
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        let wanted = |(candidate, _): &&(Span, Span)| candidate.of(&self.bytes) == name.as_bytes();
        let (_, value) = self.shape.attributes.iter().find(wanted)?;
        Some(decode::value(value.of(&self.bytes)))
    }

    /// Its own `xml:lang`. Without one the stream header's holds (RFC 6120 §4.7.4).
    pub fn lang(&self) -> Option<Cow<'_, str>> {
        self.attr("xml:lang")
    }

    /// What stands between start tag and end tag; empty for `<a/>`.
    pub fn inner(&self) -> &[u8] {
        self.shape.inner.of(&self.bytes)
    }

    /// [`Element::inner`], sharing the buffer.
    pub fn inner_bytes(&self) -> Bytes {
        self.bytes.slice_ref(self.inner())
    }

    /// The child elements, in order.
    pub fn children(&self) -> impl ExactSizeIterator<Item = Child<'_>> + DoubleEndedIterator {
        self.shape.children.iter().map(|shape| Child::new(self, shape))
    }

    /// The first child element of this local name and namespace.
    pub fn child(&self, name: &str, ns: &str) -> Option<Child<'_>> {
        self.children().find(|child| child.is(name, ns))
    }

    /// The text directly within it, decoded; `None` when there is none. Children's text is not part of it.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        decode::direct_text(self.inner())
    }

    /// Namespace declarations that [`Element::inner`] needs where it moves under another start tag, as in
    /// ` xmlns:x='urn:x'`; empty nearly always.
    ///
    /// They are those of prefixes declared by this start tag, and of prefixes of the stream header that its content
    /// uses. A default namespace is among them only where it is not [`Element::namespace`], which the new start tag
    /// is expected to stand in.
    pub fn declarations(&self) -> &str {
        self.shape.extra.as_ref().map_or("", |extra| &extra.declarations)
    }

    /// The element as a tree, for payloads off the hot path. Namespaces are resolved, prefixes are gone.
    ///
    /// # Errors
    /// For what was read from a stream, one alone: a name in it has a character of U+FDF0 to U+FFFD, which XML allows and
    /// minidom does not.
    pub fn to_dom(&self) -> Result<minidom::Element, XmlError> {
        dom::build(&self.bytes, &self.scope)
    }

    pub(super) fn uri(&self, namespace: Namespace) -> &str {
        let decoded = self.shape.extra.as_ref().map_or(&[][..], |extra| &extra.decoded);
        uri(namespace, &self.bytes, &self.scope, decoded)
    }

    pub(super) const fn start_of_inner(&self) -> u32 {
        self.shape.inner.start
    }

    /// The scope its children stand in.
    pub(super) fn inner_scope(&self) -> Result<Arc<Scope>, XmlError> {
        let mut tag = StartTag::default();
        tag.read(&self.bytes, 0, usize::MAX)?;
        if !tag.attributes.iter().any(|attribute| attribute.role.is_declaration()) {
            return Ok(Arc::clone(&self.scope));
        }
        let mut bindings = Bindings::default();
        let entered = bindings.enter(&self.bytes, &tag, Namespace::Content, &self.scope, usize::MAX)?;
        Ok(Arc::new(self.scope.within(&self.bytes, &entered, &bindings)))
    }
}

impl fmt::Debug for Element {
    /// Names and size only: what people write to each other stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} xmlns='{}'> of {} bytes", self.name(), self.namespace(), self.bytes.len())
    }
}
