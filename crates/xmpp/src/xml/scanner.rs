//! From bytes as they arrive to frames: stream header, stanzas, end of stream (RFC 6120 §4 and §11).

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::chars::is_space;
use super::declaration;
use super::element::Element;
use super::error::{Bound, XmlError};
use super::header::{self, StreamHeader};
use super::lexer::{Lexer, Token};
use super::limits::Limits;
use super::namespaces::Scope;
use super::outline::Outline;
use super::span::Span;
use super::tag::{self, StartTag};

/// One complete part of a stream.
#[derive(Clone, Debug)]
pub enum Frame {
    /// The stream header. One that comes again within the stream is told too; it changes nothing, and the stream should
    /// be ended (RFC 6120 §4.9.3.1).
    Open(StreamHeader),
    /// A first-level element: a stanza, or one of stream negotiation.
    Element(Element),
    /// The end tag of the stream.
    Close,
}

/// Cuts one direction of a connection into frames. Holds positions, never bytes.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    phase: Phase,
    lexer: Lexer,
    outline: Outline,
    scope: Arc<Scope>,
    /// The qualified name of the root.
    root: Box<[u8]>,
    /// Whether an XML declaration may still come.
    declaration: Declaration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before the stream header.
    Opening,
    Open,
    /// The root was an empty element: its end is to be told next.
    Ending,
    Closed,
    Failed(XmlError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declaration {
    /// Only as the very first bytes.
    First,
    /// After white space too: that may belong to the stream before.
    AfterSpace,
    /// Too late.
    Over,
}

impl Scanner {
    /// A scanner for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Opening,
            lexer: Lexer::default(),
            outline: Outline::default(),
            scope: Arc::default(),
            root: Box::default(),
            declaration: Declaration::First,
        }
    }

    /// Changes the bounds, as after authentication. They hold for a stanza that is underway too.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Expects a new stream on the same connection, as after STARTTLS or SASL (RFC 6120 §4.3.3).
    ///
    /// What came in before TLS must not be read as if it had come after: the caller empties the input then.
    pub fn restart(&mut self) {
        *self = Self { declaration: Declaration::AfterSpace, ..Self::new(self.limits) };
    }

    /// Takes the next complete frame off the front of `input`; `None` until more bytes follow.
    ///
    /// White space between frames goes silently. Between two calls bytes may only be appended to `input`.
    /// A tag or run of text is checked once it is complete, so an error may be told later than its first byte.
    ///
    /// # Errors
    /// Once it failed it returns the same error for ever.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        let found = self.step(input);
        if let Err(error) = found {
            self.phase = Phase::Failed(error);
        }
        found
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        if self.lexer.is_idle() {
            self.skip_space(input);
        }
        match self.phase {
            Phase::Opening => self.opening(input),
            Phase::Open => self.stanza(input),
            Phase::Ending => {
                self.phase = Phase::Closed;
                Ok(Some(Frame::Close))
            }
            Phase::Closed if input.is_empty() => Ok(None),
            Phase::Closed => Err(XmlError::NotWellFormed),
            Phase::Failed(error) => Err(error),
        }
    }

    fn skip_space(&mut self, input: &mut BytesMut) {
        let spaces = input.iter().take_while(|byte| is_space(**byte)).count();
        if spaces == 0 {
            return;
        }
        input.advance(spaces);
        if self.declaration == Declaration::First {
            self.declaration = Declaration::Over;
        }
    }

    fn opening(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        if self.lexer.is_idle() {
            if looks_like_utf16(input) {
                return Err(XmlError::UnsupportedEncoding);
            }
            if input.starts_with(b"<?") && self.declaration != Declaration::Over {
                return self.declaration(input);
            }
        }
        let mut tag = StartTag::default();
        let Some(token) = self.token(input, &mut tag)? else { return Ok(None) };
        let Token::Start(span) = token else { return Err(XmlError::NotWellFormed) };
        let opened = header::read(input, &tag, &self.limits)?;
        self.consume(input, span.range().end);
        self.scope = Arc::new(opened.scope);
        self.root = opened.root;
        self.phase = if opened.is_empty { Phase::Ending } else { Phase::Open };
        Ok(Some(Frame::Open(opened.header)))
    }

    fn declaration(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        // No more than a few dozen bytes: looking again from the start is cheap, and bounded.
        const DECLARATION_BYTES_MAX: usize = 128;
        let limit = self.limits.frame_bytes_max().min(DECLARATION_BYTES_MAX);
        let view = input.get(..limit).unwrap_or(input);
        let Some(end) = memchr(b'>', view) else { return self.wait(input, limit) };
        declaration::check(view.get(..=end).unwrap_or_default())?;
        self.declaration = Declaration::Over;
        input.advance(end + 1);
        self.step(input)
    }

    fn stanza(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, XmlError> {
        let mut tag = StartTag::default();
        while let Some(token) = self.token(input, &mut tag)? {
            if let (Token::End(span), true) = (token, self.outline.is_empty()) {
                return self.close(input, span);
            }
            if let (Token::Start(span), true) = (token, self.outline.is_empty())
                && *tag.name.whole().of(input) == *self.root
            {
                return self.header_again(input, &tag, span);
            }
            if !self.outline.take(input, token, &tag, &self.scope, &self.limits)? {
                continue;
            }
            let Some(shape) = self.outline.finish(input, &self.scope) else { continue };
            let end = self.lexer.position().min(input.len());
            self.lexer.rewind();
            let bytes = input.split_to(end).freeze();
            return Ok(Some(Frame::Element(Element::new(bytes, Arc::clone(&self.scope), shape))));
        }
        Ok(None)
    }

    /// A stream header within the stream: told as what it is, since as an element it would never end.
    fn header_again(&mut self, input: &mut BytesMut, tag: &StartTag, span: Span) -> Result<Option<Frame>, XmlError> {
        let opened = header::read(input, tag, &self.limits)?;
        self.consume(input, span.range().end);
        Ok(Some(Frame::Open(opened.header)))
    }

    fn close(&mut self, input: &mut BytesMut, span: Span) -> Result<Option<Frame>, XmlError> {
        if *tag::read_end(input, span) != *self.root {
            return Err(XmlError::NotWellFormed);
        }
        self.consume(input, span.range().end);
        self.phase = Phase::Closed;
        Ok(Some(Frame::Close))
    }

    /// The next token of the frame at the front of `input`, if it ends within the bound on the frame.
    fn token(&mut self, input: &[u8], tag: &mut StartTag) -> Result<Option<Token>, XmlError> {
        // Text between stanzas (RFC 6120 §11.7 allows white space alone).
        if self.lexer.is_idle() && input.first().is_some_and(|byte| *byte != b'<') {
            return Err(XmlError::NotWellFormed);
        }
        let limit = self.limits.frame_bytes_max();
        match self.lexer.next(input.get(..limit).unwrap_or(input), tag, self.limits.attributes_max)? {
            None => self.wait(input, limit),
            token => Ok(token),
        }
    }

    /// Nothing yet, or never: the frame has as many bytes as it may and is not complete.
    fn wait<T>(&self, input: &[u8], limit: usize) -> Result<Option<T>, XmlError> {
        if input.len() >= limit {
            return Err(XmlError::PolicyViolation(Bound::StanzaBytes));
        }
        Ok(None)
    }

    fn consume(&mut self, input: &mut BytesMut, len: usize) {
        input.advance(len.min(input.len()));
        self.lexer.rewind();
    }

    /// Bytes searched and checked, over the scanner's life.
    #[cfg(test)]
    pub(super) const fn bytes_examined(&self) -> usize {
        self.lexer.examined
    }
}

/// Reads exactly one element, with white space around it at most, as if it stood in a stream of this scope.
pub(super) fn read_one(bytes: &Bytes, scope: Arc<Scope>, limits: &Limits) -> Result<Element, XmlError> {
    let leading = bytes.iter().take_while(|byte| is_space(**byte)).count();
    let rest = bytes.get(leading..).unwrap_or_default();
    let view = rest.get(..limits.frame_bytes_max()).unwrap_or(rest);
    if view.first() != Some(&b'<') {
        return Err(XmlError::NotWellFormed);
    }
    let (mut lexer, mut outline, mut tag) = (Lexer::default(), Outline::default(), StartTag::default());
    let shape = loop {
        let Some(token) = lexer.next(view, &mut tag, limits.attributes_max)? else {
            let is_cut = view.len() < rest.len();
            return Err(if is_cut { XmlError::PolicyViolation(Bound::StanzaBytes) } else { XmlError::NotWellFormed });
        };
        if outline.take(view, token, &tag, &scope, limits)? {
            break outline.finish(view, &scope).ok_or(XmlError::NotWellFormed)?;
        }
    };
    if !lexer.remainder(rest).iter().all(|byte| is_space(*byte)) {
        return Err(XmlError::NotWellFormed);
    }
    let whole = rest.get(..lexer.position()).unwrap_or_default();
    Ok(Element::new(bytes.slice_ref(whole), scope, shape))
}

/// UTF-16 shows itself in the first two bytes: a byte order mark, or half of a `<`.
fn looks_like_utf16(input: &[u8]) -> bool {
    matches!(input, [0xFE | 0xFF, ..] | [0, ..] | [b'<', 0, ..])
}
