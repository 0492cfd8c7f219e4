//! Where tokens begin and end. Remembers its place, so each byte is looked at once however it arrives.

use memchr::{memchr, memchr2, memchr3};

use super::error::XmlError;
use super::span::Span;
use super::tag::StartTag;

/// One token of a frame. Of all but start tags only the ends are known: what is inside is not checked yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    /// Character data between two pieces of markup; never empty.
    Text(Span),
    /// What a CDATA section holds, without its brackets.
    Cdata(Span),
    /// A start tag or empty-element tag, from `<` to `>`; read and checked.
    Start(Span),
    /// An end tag, from `</` to `>`.
    End(Span),
}

/// The state between two calls: where the current token began, and how far it was looked at.
#[derive(Debug, Default)]
pub(super) struct Lexer {
    token: usize,
    at: usize,
    mode: Mode,
    /// Bytes searched, and bytes of tokens handed out for checking: the cost of scanning.
    #[cfg(test)]
    pub(super) examined: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    /// At a `<` whose meaning is not known yet.
    #[default]
    Markup,
    Text,
    Start {
        quote: Option<u8>,
    },
    End,
    Cdata,
}

impl Lexer {
    /// A lexer for the content of an element, which may begin with text. [`Lexer::default`] expects a `<`.
    pub(super) fn within_content() -> Self {
        Self { mode: Mode::Text, ..Self::default() }
    }

    /// Whether nothing of the frame was taken yet.
    pub(super) const fn is_idle(&self) -> bool {
        self.at == 0
    }

    /// Where the last token ended, if nothing was looked at since.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Starts over at the front of the next frame.
    pub(super) fn rewind(&mut self) {
        self.token = 0;
        self.at = 0;
        self.mode = Mode::Markup;
    }

    /// What comes after the last token.
    pub(super) fn remainder<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.token..).unwrap_or_default()
    }

    /// The next whole token, or `None` until more bytes follow. A start tag is read into `tag`.
    ///
    /// # Errors
    /// For markup that cannot become a token, as soon as it sees that; for a bad start tag once it is whole, so that
    /// it does not matter how the bytes arrive.
    pub(super) fn next(
        &mut self,
        frame: &[u8],
        tag: &mut StartTag,
        attributes_max: usize,
    ) -> Result<Option<Token>, XmlError> {
        loop {
            let rest = frame.get(self.at..).unwrap_or_default();
            match self.mode {
                Mode::Markup => match markup(rest)? {
                    None => return Ok(None),
                    Some((mode, len)) => {
                        self.step(len);
                        self.mode = mode;
                        match mode {
                            Mode::Cdata => self.token = self.at,
                            // Nearly always the whole tag is here: look for its end only if reading it fails.
                            Mode::Start { .. } if let Ok(end) = tag.read(frame, self.token, attributes_max) => {
                                self.step(end.saturating_sub(self.at));
                                return Ok(Some(Token::Start(self.take(end, Mode::Text))));
                            }
                            _ => {}
                        }
                    }
                },
                Mode::Text => {
                    let Some(len) = memchr(b'<', rest) else { return self.starve(rest) };
                    self.step(len);
                    let run = self.take(self.at, Mode::Markup);
                    if !run.is_empty() {
                        return Ok(Some(Token::Text(run)));
                    }
                }
                Mode::Start { quote: None } => {
                    let Some(len) = memchr3(b'>', b'"', b'\'', rest) else { return self.starve(rest) };
                    self.step(len + 1);
                    let quote = rest.get(len).copied();
                    if quote != Some(b'>') {
                        self.mode = Mode::Start { quote };
                        continue;
                    }
                    let whole = frame.get(..self.at).unwrap_or_default();
                    let end = tag.read(whole, self.token, attributes_max)?;
                    if end != self.at {
                        return Err(XmlError::NotWellFormed);
                    }
                    return Ok(Some(Token::Start(self.take(end, Mode::Text))));
                }
                Mode::Start { quote: Some(quote) } => {
                    let Some(len) = memchr2(quote, b'<', rest) else { return self.starve(rest) };
                    if rest.get(len) == Some(&b'<') {
                        return Err(XmlError::NotWellFormed);
                    }
                    self.step(len + 1);
                    self.mode = Mode::Start { quote: None };
                }
                Mode::End => {
                    let Some(len) = memchr(b'>', rest) else { return self.starve(rest) };
                    self.step(len + 1);
                    return Ok(Some(Token::End(self.take(self.at, Mode::Text))));
                }
                Mode::Cdata => {
                    let Some(len) = memchr(b'>', rest) else { return self.starve(rest) };
                    self.step(len + 1);
                    let content = frame.get(self.token..self.at).unwrap_or_default();
                    if content.ends_with(b"]]>") {
                        return Ok(Some(Token::Cdata(self.take(self.at.saturating_sub(3), Mode::Text))));
                    }
                }
            }
        }
    }

    fn step(&mut self, len: usize) {
        self.at += len;
        #[cfg(test)]
        {
            self.examined += len;
        }
    }

    /// Remembers that all of `rest` was searched in vain.
    fn starve(&mut self, rest: &[u8]) -> Result<Option<Token>, XmlError> {
        self.step(rest.len());
        Ok(None)
    }

    /// Ends the current token at `end` and begins the next at the current position.
    fn take(&mut self, end: usize, next: Mode) -> Span {
        let span = Span::new(self.token, end);
        self.token = self.at;
        self.mode = next;
        #[cfg(test)]
        {
            self.examined += span.len();
        }
        span
    }
}

/// What the `<` at the front of `rest` begins, and the length of its opening; `None` until that can be said.
fn markup(rest: &[u8]) -> Result<Option<(Mode, usize)>, XmlError> {
    const CDATA: &[u8] = b"[CDATA[";
    match rest {
        [] | [_] => Ok(None),
        [_, b'/', ..] => Ok(Some((Mode::End, 2))),
        [_, b'?', ..] => Err(XmlError::RestrictedXml),
        [_, b'!', declaration @ ..] => match declaration {
            [b'-' | b'D', ..] => Err(XmlError::RestrictedXml),
            _ if declaration.starts_with(CDATA) => Ok(Some((Mode::Cdata, CDATA.len() + 2))),
            _ if CDATA.starts_with(declaration) => Ok(None),
            _ => Err(XmlError::NotWellFormed),
        },
        [..] => Ok(Some((Mode::Start { quote: None }, 1))),
    }
}
