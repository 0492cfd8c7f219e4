//! One stanza while its bytes arrive: which elements are open, and what will be known of it when it is whole.

use std::sync::Arc;

use smallvec::SmallVec;

use super::chars::{check_chars, check_text};
use super::error::{Bound, XmlError};
use super::escape::escape_attribute_into;
use super::lexer::Token;
use super::limits::Limits;
use super::namespaces::{Binding, Bindings, Namespace, Scope, uri};
use super::span::Span;
use super::tag::{self, QName, StartTag};

/// What is known of a whole element, apart from its bytes and the scope it stands in.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The local name.
    pub(super) name: Span,
    pub(super) namespace: Namespace,
    /// From the start tag's end to the end tag's start.
    pub(super) inner: Span,
    /// Qualified name and raw value of all attributes but declarations.
    pub(super) attributes: SmallVec<[(Span, Span); 6]>,
    pub(super) children: SmallVec<[ChildShape; 4]>,
    /// Present for few: what most elements do without.
    pub(super) extra: Option<Arc<Extra>>,
}

/// A child element of the stanza.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildShape {
    /// From its `<` to its last `>`.
    pub(super) whole: Span,
    pub(super) start_tag: Span,
    /// The local name.
    pub(super) name: Span,
    pub(super) namespace: Namespace,
}

/// What only unusual elements need.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// What [`Namespace::Decoded`] refers to.
    pub(super) decoded: Vec<Box<str>>,
    /// See [`Element::declarations`](super::Element::declarations).
    pub(super) declarations: Box<str>,
}

/// An element whose end tag has not come.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    name: QName,
    /// The default namespace within it.
    default: Namespace,
    /// How many bindings to keep when it ends.
    floor: usize,
}

/// Grows a [`Shape`] tag by tag.
#[derive(Debug, Default)]
pub(super) struct Outline {
    open: SmallVec<[Open; 8]>,
    bindings: Bindings,
    root: Option<Shape>,
    /// The stanza itself, once it ended.
    closed: Open,
}

impl Outline {
    /// Whether no element is open, so that only the start of a stanza may come.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Checks and takes the next token, and says whether it completes the stanza. `tag` is the start tag read last.
    ///
    /// # Errors
    /// Whatever is wrong with the token, or with its coming here.
    pub(super) fn take(
        &mut self,
        frame: &[u8],
        token: Token,
        tag: &StartTag,
        scope: &Scope,
        limits: &Limits,
    ) -> Result<bool, XmlError> {
        match token {
            Token::Start(span) => self.start(frame, span, tag, scope, limits),
            Token::End(span) => self.end(frame, span),
            Token::Text(_) | Token::Cdata(_) if self.is_empty() => Err(XmlError::NotWellFormed),
            Token::Text(run) => check_text(run.of(frame)).map(|()| false),
            Token::Cdata(run) => check_chars(run.of(frame)).map(|_| false),
        }
    }

    fn start(
        &mut self,
        frame: &[u8],
        span: Span,
        tag: &StartTag,
        scope: &Scope,
        limits: &Limits,
    ) -> Result<bool, XmlError> {
        if self.open.len() >= limits.depth_max {
            return Err(XmlError::PolicyViolation(Bound::Depth));
        }
        let inherited = self.open.last().map_or(Namespace::Content, |open| open.default);
        let entered = self.bindings.enter(frame, tag, inherited, scope, limits.declarations_max)?;
        match (self.open.len(), &mut self.root) {
            (1, Some(root)) => root.children.push(ChildShape {
                whole: span,
                start_tag: span,
                name: tag.name.local(),
                namespace: entered.namespace,
            }),
            (0, root) => {
                *root = Some(Shape::begun(span, tag, entered.namespace));
                self.bindings.inherited_used = 0;
            }
            _ => {}
        }
        self.open.push(Open { name: tag.name, default: entered.default, floor: entered.floor });
        if tag.is_empty {
            let end = Span { start: span.end, end: span.end };
            return Ok(self.close(end));
        }
        Ok(false)
    }

    fn end(&mut self, frame: &[u8], span: Span) -> Result<bool, XmlError> {
        let expected = self.open.last().map(|open| open.name.whole().of(frame));
        if expected != Some(tag::read_end(frame, span)) {
            return Err(XmlError::NotWellFormed);
        }
        Ok(self.close(span))
    }

    fn close(&mut self, end_tag: Span) -> bool {
        let Some(closed) = self.open.pop() else { return false };
        match (self.open.len(), &mut self.root) {
            (0, Some(root)) => {
                root.inner.end = end_tag.start;
                self.closed = closed;
                return true;
            }
            (1, Some(root)) => {
                if let Some(child) = root.children.last_mut() {
                    child.whole.end = end_tag.end;
                }
            }
            _ => {}
        }
        self.bindings.leave(closed.floor);
        false
    }

    /// The shape of the stanza that was just completed; ready for the next.
    pub(super) fn finish(&mut self, frame: &[u8], scope: &Scope) -> Option<Shape> {
        let mut shape = self.root.take()?;
        shape.extra = self.extra(frame, self.closed, shape.namespace, scope);
        self.bindings.leave(0);
        if self.open.spilled() {
            // A deep stanza is rare: an idle connection need not keep room for the next.
            self.open = SmallVec::new();
        }
        Some(shape)
    }

    fn extra(&mut self, frame: &[u8], root: Open, namespace: Namespace, scope: &Scope) -> Option<Arc<Extra>> {
        let decoded = std::mem::take(&mut self.bindings.decoded);
        let own = self.bindings.declared_since(root.floor);
        let is_ordinary = !root.name.has_prefix() && own.is_empty() && self.bindings.inherited_used == 0;
        if is_ordinary && decoded.is_empty() {
            return None;
        }
        let declarations = declarations(frame, root, namespace, own, self.bindings.inherited_used, scope, &decoded);
        if decoded.is_empty() && declarations.is_empty() {
            return None;
        }
        Some(Arc::new(Extra { decoded, declarations: declarations.into() }))
    }
}

impl Shape {
    fn begun(span: Span, tag: &StartTag, namespace: Namespace) -> Self {
        let carried = tag.attributes.iter().filter(|attribute| !attribute.role.is_declaration());
        Self {
            name: tag.name.local(),
            namespace,
            inner: Span { start: span.end, end: span.end },
            attributes: carried.map(|attribute| (attribute.name.whole(), attribute.value)).collect(),
            children: SmallVec::new(),
            extra: None,
        }
    }
}

/// The declarations that the root's content may rely on and that its new place may lack.
fn declarations(
    frame: &[u8],
    root: Open,
    namespace: Namespace,
    own: &[Binding],
    inherited_used: u64,
    scope: &Scope,
    decoded: &[Box<str>],
) -> String {
    let mut out = String::new();
    let mut declare = |name: &[&str], uri: &str| {
        for part in [" xmlns"].iter().chain(name).chain(&["='"]) {
            out.push_str(part);
        }
        escape_attribute_into(&mut out, uri);
        out.push('\'');
    };
    if root.name.has_prefix() {
        let default = uri(root.default, frame, scope, decoded);
        if default != uri(namespace, frame, scope, decoded) {
            declare(&[], default);
        }
    }
    for binding in own {
        declare(&[":", binding.prefix.text(frame)], uri(binding.namespace, frame, scope, decoded));
    }
    for (index, (prefix, uri)) in scope.prefixes.iter().enumerate() {
        let is_used = inherited_used & (1 << index.min(63)) != 0;
        if is_used && !own.iter().any(|binding| binding.prefix.text(frame) == &**prefix) {
            declare(&[":", prefix], uri);
        }
    }
    out
}
