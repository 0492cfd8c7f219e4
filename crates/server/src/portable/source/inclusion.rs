//! Where an inclusion leads (XEP-0227 §4): a relative URI as a path that goes down. Pure.

use std::path::{Component, Path, PathBuf};

/// A relative URI as a path that goes down, and never up.
pub(super) fn relative(href: &str) -> Option<PathBuf> {
    if href.is_empty() || href.contains(['\0', '?', '#']) {
        return None;
    }
    let decoded = percent_decoded(href)?;
    let path = Path::new(&decoded);
    // A URI with a scheme; a Unix path may have a colon, but not before the first slash.
    if decoded.split('/').next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    let goes_down = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    goes_down.then(|| path.to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(rest.next())? * 16 + digit(rest.next())?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
