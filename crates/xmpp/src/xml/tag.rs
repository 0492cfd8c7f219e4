//! The inside of tags: productions STag, EmptyElemTag, ETag and Attribute of XML 1.0, QName of Namespaces in XML.

use memchr::{memchr2, memchr3};
use smallvec::SmallVec;

use super::chars::{check_chars, check_ncname, check_references, is_name_byte, is_space};
use super::error::{Bound, XmlError};
use super::span::{Span, position};

/// A name as written: `prefix:local`, or `local` alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QName {
    start: u32,
    /// Where the local part starts; the same as `start` without a prefix.
    local: u32,
    end: u32,
}

impl QName {
    pub(super) const fn has_prefix(self) -> bool {
        self.local > self.start
    }

    /// Empty when there is none.
    pub(super) const fn prefix(self) -> Span {
        Span { start: self.start, end: if self.has_prefix() { self.local - 1 } else { self.start } }
    }

    pub(super) const fn local(self) -> Span {
        Span { start: self.local, end: self.end }
    }

    /// Prefix, colon and local part.
    pub(super) const fn whole(self) -> Span {
        Span { start: self.start, end: self.end }
    }
}

/// One attribute as written; `value` is what stands between the quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: QName,
    pub(super) value: Span,
    pub(super) role: Role,
}

/// What an attribute does, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `a`
    Plain,
    /// `p:a`
    Prefixed,
    /// `xmlns`
    DeclaresDefault,
    /// `xmlns:p`
    DeclaresPrefix,
}

impl Role {
    fn of(name: QName, frame: &[u8]) -> Self {
        match name.has_prefix() {
            false if name.whole().of(frame) == b"xmlns" => Self::DeclaresDefault,
            false => Self::Plain,
            true if name.prefix().of(frame) == b"xmlns" => Self::DeclaresPrefix,
            true => Self::Prefixed,
        }
    }

    pub(super) const fn is_declaration(self) -> bool {
        matches!(self, Self::DeclaresDefault | Self::DeclaresPrefix)
    }
}

/// A start tag or empty-element tag. Filled in place: it is too large to be moved for each tag.
#[derive(Debug, Default)]
pub(super) struct StartTag {
    pub(super) name: QName,
    pub(super) attributes: SmallVec<[Attribute; 8]>,
    /// `<a/>`: the element ends here.
    pub(super) is_empty: bool,
    /// No reference, tab or line end in it: all values stand for themselves.
    pub(super) is_plain: bool,
}

impl StartTag {
    /// Reads the start tag that begins at `start` of `frame`, and says where it ends.
    ///
    /// # Errors
    /// Anything but namespace rules and duplicate attributes, which need the declarations in scope. When `frame` may
    /// go on, an error means nothing: the rest of the tag may be missing.
    pub(super) fn read(&mut self, frame: &[u8], start: usize, attributes_max: usize) -> Result<usize, XmlError> {
        self.attributes.clear();
        let mut cursor = Cursor { frame, at: start + 1, has_references: false };
        self.name = cursor.qname()?;
        loop {
            let spaced = cursor.skip_space();
            self.is_empty = cursor.peek() == Some(b'/');
            if self.is_empty {
                cursor.at += 1;
            }
            if self.is_empty || cursor.peek() == Some(b'>') {
                cursor.expect(b'>')?;
                break;
            }
            if !spaced {
                return Err(XmlError::NotWellFormed);
            }
            let attribute = cursor.attribute()?;
            if self.attributes.len() >= attributes_max {
                return Err(XmlError::PolicyViolation(Bound::Attributes));
            }
            self.attributes.push(attribute);
        }
        let chars = check_chars(frame.get(start..cursor.at).unwrap_or_default())?;
        self.is_plain = !cursor.has_references && !chars.has_low;
        if cursor.has_references {
            for attribute in &self.attributes {
                check_references(attribute.value.of(frame))?;
            }
        }
        Ok(cursor.at)
    }

    /// The raw value of the attribute written with exactly this name.
    pub(super) fn value(&self, frame: &[u8], name: &[u8]) -> Option<Span> {
        let mut attributes = self.attributes.iter();
        attributes.find(|attribute| attribute.name.whole().of(frame) == name).map(|attribute| attribute.value)
    }
}

/// Reads the end tag at `tag` of `frame`: the name between `</` and `>`, not checked to be one.
///
/// The caller compares it with the start tag's name, which is.
pub(super) fn read_end(frame: &[u8], tag: Span) -> &[u8] {
    let [b'<', b'/', name @ .., b'>'] = tag.of(frame) else { return &[] };
    // Not `trim_ascii_end`: a form feed is no white space in XML, and would end the stream of whoever gets it.
    let spaces = name.iter().rev().take_while(|byte| is_space(**byte)).count();
    name.get(..name.len().saturating_sub(spaces)).unwrap_or_default()
}

/// A place within one tag.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
    /// Whether an attribute's value had a `&`.
    has_references: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.frame.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), XmlError> {
        if self.peek() != Some(byte) {
            return Err(XmlError::NotWellFormed);
        }
        self.at += 1;
        Ok(())
    }

    /// Skips white space and says whether there was any.
    fn skip_space(&mut self) -> bool {
        let before = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > before
    }

    fn qname(&mut self) -> Result<QName, XmlError> {
        let start = position(self.at);
        self.ncname()?;
        let mut local = start;
        if self.peek() == Some(b':') {
            self.at += 1;
            local = position(self.at);
            self.ncname()?;
        }
        Ok(QName { start, local, end: position(self.at) })
    }

    fn ncname(&mut self) -> Result<(), XmlError> {
        let rest = self.frame.get(self.at..).unwrap_or_default();
        let mut seen = 0;
        let is_part = |byte: &&u8| {
            seen |= **byte;
            is_name_byte(**byte)
        };
        let len = rest.iter().take_while(is_part).count();
        self.at += len;
        check_ncname(rest.get(..len).unwrap_or_default(), seen < 0x80)
    }

    fn attribute(&mut self) -> Result<Attribute, XmlError> {
        let name = self.qname()?;
        self.skip_space();
        self.expect(b'=')?;
        self.skip_space();
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\'')).ok_or(XmlError::NotWellFormed)?;
        let start = self.at + 1;
        let rest = self.frame.get(start..).unwrap_or_default();
        let mut len = memchr3(quote, b'<', b'&', rest).ok_or(XmlError::NotWellFormed)?;
        if rest.get(len) == Some(&b'&') {
            self.has_references = true;
            len = memchr2(quote, b'<', rest).ok_or(XmlError::NotWellFormed)?;
        }
        self.at = start + len;
        self.expect(quote)?;
        Ok(Attribute { name, value: Span::new(start, start + len), role: Role::of(name, self.frame) })
    }
}
