//! A child element of a stanza, as a view into the stanza's bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memrchr;

use super::decode;
use super::element::Element;
use super::error::XmlError;
use super::limits::Limits;
use super::outline::ChildShape;
use super::scanner::read_one;
use super::tag::StartTag;

/// A child of an [`Element`].
#[derive(Clone, Copy)]
pub struct Child<'a> {
    parent: &'a Element,
    shape: &'a ChildShape,
}

impl<'a> Child<'a> {
    pub(super) const fn new(parent: &'a Element, shape: &'a ChildShape) -> Self {
        Self { parent, shape }
    }

    /// The local name.
    pub fn name(&self) -> &'a str {
        self.shape.name.text(self.parent.bytes())
    }

    /// The namespace name; empty for none.
    pub fn namespace(&self) -> &'a str {
        self.parent.uri(self.shape.namespace)
    }

    /// Whether local name and namespace are these.
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.name() == name && self.namespace() == ns
    }

    /// The child from its `<` to its last `>`.
    pub fn bytes(&self) -> &'a [u8] {
        self.shape.whole.of(self.parent.bytes())
    }

    /// Where [`Child::bytes`] stand within the parent's [`Element::inner`], in bytes.
    pub fn range(&self) -> Range<usize> {
        let offset = self.parent.start_of_inner();
        let within = |position: u32| position.saturating_sub(offset) as usize;
        within(self.shape.whole.start)..within(self.shape.whole.end)
    }

    /// The value of the attribute without a prefix of this name, decoded. Reads the start tag at each call.
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        let frame: &'a [u8] = self.parent.bytes();
        let mut tag = StartTag::default();
        tag.read(frame, self.shape.whole.range().start, usize::MAX).ok()?;
        Some(decode::value(tag.value(frame, name.as_bytes())?.of(frame)))
    }

    /// Its own `xml:lang`.
    pub fn lang(&self) -> Option<Cow<'a, str>> {
        self.attr("xml:lang")
    }

    /// What stands between its start tag and end tag; empty for `<a/>`.
    pub fn inner(&self) -> &'a [u8] {
        let after_start = self.bytes().get(self.shape.start_tag.len()..).unwrap_or_default();
        memrchr(b'<', after_start).and_then(|end| after_start.get(..end)).unwrap_or_default()
    }

    /// The text directly within it, decoded; `None` when there is none.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        decode::direct_text(self.inner())
    }

    /// The child as an element of its own, sharing the buffer, for a look at its children.
    ///
    /// # Errors
    /// None for a child of what was read from a stream; they are those of reading it again.
    pub fn to_element(&self) -> Result<Element, XmlError> {
        let limits = Limits { depth_max: usize::MAX, attributes_max: usize::MAX, ..Limits::TRUSTED };
        let limits = Limits { declarations_max: usize::MAX, ..limits };
        read_one(&self.parent.bytes().slice_ref(self.bytes()), self.parent.inner_scope()?, &limits)
    }

    /// The child as a tree.
    ///
    /// # Errors
    /// As [`Child::to_element`].
    pub fn to_dom(&self) -> Result<minidom::Element, XmlError> {
        self.to_element()?.to_dom()
    }
}

impl fmt::Debug for Child<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} xmlns='{}'> of {} bytes", self.name(), self.namespace(), self.bytes().len())
    }
}
