//! From XML text to the text it stands for: references and white space (XML 1.0 §2.11, §3.3.3, §4.1, §4.6).

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::chars::{is_char, is_ncname};
use super::error::XmlError;
use super::lexer::{Lexer, Token};
use super::tag::StartTag;

/// Character data as a reader sees it: references resolved, line ends turned into `\n`.
pub(super) fn text(raw: &[u8]) -> Cow<'_, str> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    match memchr2(b'&', b'\r', raw) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(decoded(text, false)),
    }
}

/// The content of a CDATA section: line ends turned into `\n`, nothing else.
pub(super) fn cdata(raw: &[u8]) -> Cow<'_, str> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    match memchr(b'\r', raw) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}

/// An attribute's value: references resolved, each literal tab or line end turned into a space.
pub(super) fn value(raw: &[u8]) -> Cow<'_, str> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    if is_plain_value(raw) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(decoded(text, true))
}

/// Whether an attribute's value stands for itself.
pub(super) fn is_plain_value(raw: &[u8]) -> bool {
    !raw.iter().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r'))
}

/// The text directly within an element, from its checked content; `None` when there is none.
pub(super) fn direct_text(inner: &[u8]) -> Option<Cow<'_, str>> {
    let mut lexer = Lexer::within_content();
    let mut depth = 0_usize;
    let mut found: Option<Cow<'_, str>> = None;
    let mut tag = StartTag::default();
    while let Ok(Some(token)) = lexer.next(inner, &mut tag, usize::MAX) {
        match token {
            Token::Text(run) if depth == 0 => join(&mut found, text(run.of(inner))),
            Token::Cdata(run) if depth == 0 => join(&mut found, cdata(run.of(inner))),
            Token::Start(_) if !tag.is_empty => depth += 1,
            Token::End(_) => depth = depth.saturating_sub(1),
            Token::Text(_) | Token::Cdata(_) | Token::Start(_) => {}
        }
    }
    join(&mut found, text(lexer.remainder(inner)));
    found
}

/// Resolves the reference whose `&` stands just before `after`: its character, and its length with the `;`.
///
/// # Errors
/// [`XmlError::RestrictedXml`] for an entity other than the five predefined ones, [`XmlError::NotWellFormed`] for
/// what is no reference, or refers to a character that XML forbids.
pub(super) fn reference(after: &[u8]) -> Result<(char, usize), XmlError> {
    let end = memchr(b';', after).ok_or(XmlError::NotWellFormed)?;
    let name = after.get(..end).unwrap_or_default();
    let character = match name {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"apos" => '\'',
        b"quot" => '"',
        [b'#', b'x', digits @ ..] => numbered(digits, 16)?,
        [b'#', digits @ ..] => numbered(digits, 10)?,
        name if name.split(|byte| *byte == b':').all(is_ncname) => return Err(XmlError::RestrictedXml),
        _ => return Err(XmlError::NotWellFormed),
    };
    Ok((character, end + 1))
}

fn numbered(digits: &[u8], radix: u32) -> Result<char, XmlError> {
    if digits.is_empty() {
        return Err(XmlError::NotWellFormed);
    }
    let mut number = 0_u32;
    for byte in digits {
        let digit = char::from(*byte).to_digit(radix).ok_or(XmlError::NotWellFormed)?;
        number = number.saturating_mul(radix).saturating_add(digit);
    }
    char::from_u32(number).filter(|c| is_char(*c)).ok_or(XmlError::NotWellFormed)
}

fn decoded(text: &str, is_value: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| c == '&' || c == '\r' || (is_value && (c == '\n' || c == '\t'))) {
        let (before, special) = rest.split_at(at);
        out.push_str(before);
        let line_end = if is_value { ' ' } else { '\n' };
        let (c, len) = match special.as_bytes() {
            [b'&', after @ ..] => reference(after).map_or(('&', 1), |(c, len)| (c, len + 1)),
            [b'\r', b'\n', ..] => (line_end, 2),
            _ => (line_end, 1),
        };
        out.push(c);
        rest = special.split_at_checked(len).map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

fn join<'a>(found: &mut Option<Cow<'a, str>>, piece: Cow<'a, str>) {
    if piece.is_empty() {
        return;
    }
    match found {
        None => *found = Some(piece),
        Some(text) => text.to_mut().push_str(&piece),
    }
}
