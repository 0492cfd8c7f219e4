//! The XML declaration a stream may begin with (XML 1.0 §2.8, RFC 6120 §11.5).

use memchr::memchr;

use super::chars::is_space;
use super::error::XmlError;

/// Checks `<?xml … ?>`, from its `<` to its `>`.
///
/// # Errors
/// [`XmlError::RestrictedXml`] for any other processing instruction, [`XmlError::UnsupportedEncoding`] for an
/// encoding that is not UTF-8.
pub(super) fn check(declaration: &[u8]) -> Result<(), XmlError> {
    let inside = declaration.strip_prefix(b"<?xml").ok_or(XmlError::RestrictedXml)?;
    if !inside.first().is_some_and(|byte| is_space(*byte) || *byte == b'?') {
        return Err(XmlError::RestrictedXml);
    }
    let inside = inside.strip_suffix(b"?>").ok_or(XmlError::NotWellFormed)?;
    let (version, rest) = field(inside, b"version")?;
    if version != Some(b"1.0") {
        return Err(XmlError::NotWellFormed);
    }
    let (encoding, rest) = field(rest, b"encoding")?;
    if encoding.is_some_and(|name| !name.eq_ignore_ascii_case(b"utf-8")) {
        return Err(XmlError::UnsupportedEncoding);
    }
    let (standalone, rest) = field(rest, b"standalone")?;
    if standalone.is_some_and(|answer| answer != b"yes" && answer != b"no") || !skip_space(rest).is_empty() {
        return Err(XmlError::NotWellFormed);
    }
    Ok(())
}

/// The value of ` name="value"` at the front of `bytes`, and what follows; `None` and all of it if it is not there.
fn field<'a>(bytes: &'a [u8], name: &[u8]) -> Result<(Option<&'a [u8]>, &'a [u8]), XmlError> {
    let Some(rest) = skip_space(bytes).strip_prefix(name) else { return Ok((None, bytes)) };
    if !bytes.first().is_some_and(|byte| is_space(*byte)) {
        return Err(XmlError::NotWellFormed);
    }
    let rest = skip_space(rest).strip_prefix(b"=").ok_or(XmlError::NotWellFormed)?;
    let [quote @ (b'"' | b'\''), rest @ ..] = skip_space(rest) else { return Err(XmlError::NotWellFormed) };
    let len = memchr(*quote, rest).ok_or(XmlError::NotWellFormed)?;
    Ok((rest.get(..len), rest.get(len + 1..).unwrap_or_default()))
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|byte| is_space(**byte)).count();
    bytes.get(spaces..).unwrap_or_default()
}
