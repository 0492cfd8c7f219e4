//! From text to XML text that reads back as the same text.

use std::borrow::Cow;

/// Appends `text` so that it can stand between two tags, or in an attribute if it has no line ends or tabs.
///
/// A character that XML cannot carry (XML 1.0 §2.2) becomes U+FFFD.
pub fn escape_into(out: &mut String, text: &str) {
    escape(out, text, |character| match character {
        '\n' | '\t' => None,
        other => replacement(other),
    });
}

/// Appends `value` so that it can stand in an attribute, between quotes of either kind.
///
/// Line ends and tabs become character references, or a reader would turn them into spaces (XML 1.0 §3.3.3).
pub fn escape_attribute_into(out: &mut String, value: &str) {
    escape(out, value, replacement);
}

/// `text` as [`escape_attribute_into`] writes it, for building short XML with `format!`. Right in text as well.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if split(text, replacement).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    escape_attribute_into(&mut out, text);
    Cow::Owned(out)
}

fn escape(out: &mut String, text: &str, replacement: fn(char) -> Option<&'static str>) {
    let mut rest = text;
    while let Some((before, special, after)) = split(rest, replacement) {
        out.push_str(before);
        out.push_str(special);
        rest = after;
    }
    out.push_str(rest);
}

/// What comes before the first character to replace, its replacement, and what comes after it.
fn split(text: &str, replacement: fn(char) -> Option<&'static str>) -> Option<(&str, &'static str, &str)> {
    if text.bytes().all(is_plain) {
        return None;
    }
    let (at, character, special) = text.char_indices().find_map(|(at, c)| Some((at, c, replacement(c)?)))?;
    Some((text.get(..at)?, special, text.get(at + character.len_utf8()..)?))
}

/// Whether a byte of UTF-8 begins or continues no character that is replaced. U+FFFE and U+FFFF begin with EF.
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, b'&' | b'<' | b'>' | b'\'' | b'"' | 0xEF)
}

const fn replacement(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => Some("\u{FFFD}"),
        _ => None,
    }
}
