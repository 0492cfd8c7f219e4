//! What prefixes mean (Namespaces in XML 1.0): declarations in scope, and the rules about them.

use smallvec::SmallVec;

use super::decode;
use super::error::{Bound, XmlError};
use super::span::{Span, position};
use super::tag::{Attribute, Role, StartTag};
use crate::ns;

/// The declarations an element inherits from outside its own bytes: those of the stream header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// The default namespace; empty when there is none.
    pub(super) content: Box<str>,
    /// Prefix and namespace name, each prefix once.
    pub(super) prefixes: Vec<(Box<str>, Box<str>)>,
}

impl Scope {
    /// Nothing but a default namespace.
    pub(super) fn with_content(content_ns: &str) -> Self {
        Self { content: content_ns.into(), prefixes: Vec::new() }
    }

    /// This scope as it is within the element that `entered` describes.
    pub(super) fn within(&self, frame: &[u8], entered: &Entered, bindings: &Bindings) -> Self {
        let own = bindings.declared_since(entered.floor);
        let own = own.iter().map(|binding| {
            let uri = uri(binding.namespace, frame, self, &bindings.decoded);
            (Box::from(binding.prefix.text(frame)), Box::from(uri))
        });
        let mut prefixes: Vec<(Box<str>, Box<str>)> = own.collect();
        for inherited in &self.prefixes {
            if !prefixes.iter().any(|(prefix, _)| *prefix == inherited.0) {
                prefixes.push(inherited.clone());
            }
        }
        Self { content: uri(entered.default, frame, self, &bindings.decoded).into(), prefixes }
    }
}

/// Where a namespace name is written, so that naming it copies nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Namespace {
    /// No namespace.
    #[default]
    None,
    /// That of `xml:lang`.
    Xml,
    /// The default of the [`Scope`].
    Content,
    /// The prefix of the [`Scope`] with this index.
    Stream(u32),
    /// The value of a declaration within the frame.
    Local(Span),
    /// The same, where the value holds references or line ends: its decoded form has this index.
    Decoded(u32),
}

/// The name that `namespace` stands for; empty for none.
pub(super) fn uri<'a>(namespace: Namespace, frame: &'a [u8], scope: &'a Scope, decoded: &'a [Box<str>]) -> &'a str {
    match namespace {
        Namespace::None => "",
        Namespace::Xml => ns::XML,
        Namespace::Content => &scope.content,
        Namespace::Stream(index) => scope.prefixes.get(index as usize).map_or("", |(_, uri)| uri),
        Namespace::Local(value) => value.text(frame),
        Namespace::Decoded(index) => decoded.get(index as usize).map_or("", |uri| uri),
    }
}

/// A prefix declared within the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) prefix: Span,
    pub(super) namespace: Namespace,
}

/// The prefixes declared by the open elements of a frame, innermost last.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    stack: SmallVec<[Binding; 4]>,
    /// What [`Namespace::Decoded`] refers to. Outlives the declarations it came from.
    pub(super) decoded: Vec<Box<str>>,
    /// Bit n: prefix n of the scope was used since this was last cleared. The last bit stands for all beyond.
    pub(super) inherited_used: u64,
}

/// What a start tag's names mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    /// The element's namespace.
    pub(super) namespace: Namespace,
    /// The default namespace within it.
    pub(super) default: Namespace,
    /// How many bindings to keep when it ends.
    pub(super) floor: usize,
}

impl Bindings {
    /// Takes the declarations of a start tag into scope and checks its names against all that are.
    ///
    /// # Errors
    /// [`XmlError::BadNamespacePrefix`] for an undeclared prefix, [`XmlError::NotWellFormed`] for a forbidden
    /// declaration or two attributes of one expanded name, or the bound on declarations.
    pub(super) fn enter(
        &mut self,
        frame: &[u8],
        tag: &StartTag,
        inherited: Namespace,
        scope: &Scope,
        declarations_max: usize,
    ) -> Result<Entered, XmlError> {
        let floor = self.stack.len();
        let mut default = inherited;
        let mut has_prefixed = false;
        for attribute in &tag.attributes {
            match attribute.role {
                Role::Plain => {}
                Role::Prefixed => has_prefixed = true,
                Role::DeclaresDefault => default = self.default(frame, tag, attribute.value)?,
                Role::DeclaresPrefix => self.declare(frame, tag, *attribute)?,
            }
        }
        if self.stack.len() + scope.prefixes.len() > declarations_max && self.stack.len() > floor {
            return Err(XmlError::PolicyViolation(Bound::Declarations));
        }
        let namespace = match tag.name.has_prefix() {
            true => self.resolve(frame, tag.name.prefix(), scope)?,
            false => default,
        };
        self.check_unique(frame, tag, scope, has_prefixed)?;
        Ok(Entered { namespace, default, floor })
    }

    /// Forgets the declarations of an element that ended.
    pub(super) fn leave(&mut self, floor: usize) {
        self.stack.truncate(floor);
    }

    /// The bindings beyond the first `floor`.
    pub(super) fn declared_since(&self, floor: usize) -> &[Binding] {
        self.stack.get(floor..).unwrap_or_default()
    }

    /// The namespace of a prefix.
    pub(super) fn resolve(&mut self, frame: &[u8], prefix: Span, scope: &Scope) -> Result<Namespace, XmlError> {
        let name = prefix.of(frame);
        if let Some(binding) = self.stack.iter().rev().find(|binding| binding.prefix.of(frame) == name) {
            return Ok(binding.namespace);
        }
        match name {
            b"xml" => return Ok(Namespace::Xml),
            b"xmlns" => return Err(XmlError::NotWellFormed),
            _ => {}
        }
        let known = scope.prefixes.iter().position(|(prefix, _)| prefix.as_bytes() == name);
        let index = known.ok_or(XmlError::BadNamespacePrefix)?;
        self.inherited_used |= 1 << index.min(63);
        Ok(Namespace::Stream(position(index)))
    }

    fn default(&mut self, frame: &[u8], tag: &StartTag, value: Span) -> Result<Namespace, XmlError> {
        let namespace = self.namespace(frame, tag, value);
        match self.declared_name(frame, namespace) {
            b"" => Ok(Namespace::None),
            name if is_reserved(name) => Err(XmlError::NotWellFormed),
            _ => Ok(namespace),
        }
    }

    fn declare(&mut self, frame: &[u8], tag: &StartTag, declaration: Attribute) -> Result<(), XmlError> {
        let prefix = declaration.name.local();
        let namespace = self.namespace(frame, tag, declaration.value);
        let name = self.declared_name(frame, namespace);
        match prefix.of(frame) {
            // Declaring what always holds is allowed, and changes nothing.
            b"xml" if name == ns::XML.as_bytes() => return Ok(()),
            b"xml" | b"xmlns" => return Err(XmlError::NotWellFormed),
            _ if name.is_empty() || is_reserved(name) => return Err(XmlError::NotWellFormed),
            _ => {}
        }
        self.stack.push(Binding { prefix, namespace });
        Ok(())
    }

    fn namespace(&mut self, frame: &[u8], tag: &StartTag, value: Span) -> Namespace {
        if tag.is_plain || decode::is_plain_value(value.of(frame)) {
            return Namespace::Local(value);
        }
        self.decoded.push(decode::value(value.of(frame)).into());
        Namespace::Decoded(position(self.decoded.len() - 1))
    }

    /// The name in a declaration just read, without making sure again that it is UTF-8.
    fn declared_name<'a>(&'a self, frame: &'a [u8], namespace: Namespace) -> &'a [u8] {
        match namespace {
            Namespace::Local(value) => value.of(frame),
            Namespace::Decoded(_) => self.decoded.last().map_or(&[], |name| name.as_bytes()),
            _ => &[],
        }
    }

    /// Refuses two attributes of one name, and two prefixed ones whose prefixes mean the same.
    fn check_unique(
        &mut self,
        frame: &[u8],
        tag: &StartTag,
        scope: &Scope,
        has_prefixed: bool,
    ) -> Result<(), XmlError> {
        if !are_unique(&tag.attributes, |attribute| attribute.name.whole().of(frame)) {
            return Err(XmlError::NotWellFormed);
        }
        if !has_prefixed {
            return Ok(());
        }
        let mut names: SmallVec<[(Namespace, Span); 8]> = SmallVec::new();
        for attribute in &tag.attributes {
            if attribute.role == Role::Prefixed {
                names.push((self.resolve(frame, attribute.name.prefix(), scope)?, attribute.name.local()));
            }
        }
        let expanded =
            |(namespace, local): &(Namespace, Span)| (uri(*namespace, frame, scope, &self.decoded), local.of(frame));
        if are_unique(&names, expanded) { Ok(()) } else { Err(XmlError::NotWellFormed) }
    }
}

/// Whether nothing else may be bound to this name.
fn is_reserved(name: &[u8]) -> bool {
    name == ns::XML.as_bytes() || name == ns::XMLNS.as_bytes()
}

/// Pairwise for the few attributes a tag has, by sorting for a tag that has many.
fn are_unique<'a, T, K: Ord>(items: &'a [T], key: impl Fn(&'a T) -> K) -> bool {
    if items.len() > 12 {
        let mut keys: Vec<K> = items.iter().map(key).collect();
        keys.sort_unstable();
        return keys.windows(2).all(|pair| !matches!(pair, [a, b] if a == b));
    }
    let mut rest = items;
    while let [first, others @ ..] = rest {
        let first = key(first);
        if others.iter().any(|other| key(other) == first) {
            return false;
        }
        rest = others;
    }
    true
}
