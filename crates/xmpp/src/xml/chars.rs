//! Which characters may stand where: productions Char, NCName and Reference of XML 1.0 (Fifth Edition) and
//! Namespaces in XML 1.0 (Third Edition).

use memchr::{memchr, memchr_iter, memchr2};

use super::decode::reference;
use super::error::XmlError;

/// Checks that `run` is UTF-8 and made of XML characters only.
pub(super) fn check_chars(run: &[u8]) -> Result<Survey, XmlError> {
    let survey = Survey::of(run);
    if survey.has_high {
        check_utf8(run)?;
    }
    let is_control = |byte: &u8| *byte < b' ' && !is_space(*byte);
    if survey.has_low && run.iter().any(is_control) {
        return Err(XmlError::NotWellFormed);
    }
    Ok(survey)
}

/// Checks character data between two tags: characters, references, and no `]]>`.
pub(super) fn check_text(run: &[u8]) -> Result<(), XmlError> {
    check_chars(run)?;
    if memchr2(b'&', b'>', run).is_none() {
        return Ok(());
    }
    let closes_cdata = |at| run.get(..at).is_some_and(|before| before.ends_with(b"]]"));
    if memchr_iter(b'>', run).any(closes_cdata) {
        return Err(XmlError::NotWellFormed);
    }
    check_references(run)
}

/// Checks every `&…;` of a run.
pub(super) fn check_references(run: &[u8]) -> Result<(), XmlError> {
    let mut rest = run;
    while let Some(at) = memchr(b'&', rest) {
        let after = rest.get(at + 1..).unwrap_or_default();
        let (_, len) = reference(after)?;
        rest = after.get(len..).unwrap_or_default();
    }
    Ok(())
}

/// What one quick pass saw, eight bytes at a time.
pub(super) struct Survey {
    /// Bytes above 0x7F: UTF-8 needs checking.
    has_high: bool,
    /// Bytes below the space: tabs and line ends, if nothing worse.
    pub(super) has_low: bool,
}

impl Survey {
    fn of(run: &[u8]) -> Self {
        const TOP_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
        const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
        let (mut high, mut low) = (0, 0);
        let mut look = |block: &[u8; 8]| {
            let block = u64::from_ne_bytes(*block);
            high |= block;
            // The subtraction borrows into a byte's clear top bit only where some byte is below the space.
            low |= block.wrapping_sub(SPACES) & !block;
        };
        let (blocks, rest) = run.as_chunks::<8>();
        blocks.iter().for_each(&mut look);
        match run.last_chunk::<8>() {
            // Some bytes are seen twice.
            Some(last) => look(last),
            None => {
                let mut block = [b' '; 8];
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                look(&block);
            }
        }
        Self { has_high: high & TOP_BITS != 0, has_low: low & TOP_BITS != 0 }
    }
}

fn check_utf8(run: &[u8]) -> Result<(), XmlError> {
    simdutf8::basic::from_utf8(run).map_err(|_| XmlError::UnsupportedEncoding)?;
    // U+FFFE and U+FFFF, the only encodable non-characters that XML forbids, are EF BF BE and EF BF BF.
    let is_noncharacter = |at| matches!(run.get(at..), Some([_, 0xBF, 0xBE | 0xBF, ..]));
    if memchr_iter(0xEF, run).any(is_noncharacter) {
        return Err(XmlError::NotWellFormed);
    }
    Ok(())
}

/// Production Char.
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Production S.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether `byte` can be part of a name without a colon. Bytes above 0x7F can; [`check_ncname`] looks at their
/// characters.
pub(super) fn is_name_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest: &mut [bool] = &mut table;
        let mut byte = 0_u8;
        while let [entry, others @ ..] = rest {
            *entry = matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | 0x80..);
            byte = byte.wrapping_add(1);
            rest = others;
        }
        table
    };
    TABLE.get(usize::from(byte)).is_some_and(|is_name| *is_name)
}

/// Production NCName, for a run of [`is_name_byte`].
pub(super) fn check_ncname(name: &[u8], is_ascii: bool) -> Result<(), XmlError> {
    let is_right = match name.first() {
        Some(first) if is_ascii => is_name_start_byte(*first),
        Some(_) => {
            let name = std::str::from_utf8(name).map_err(|_| XmlError::UnsupportedEncoding)?;
            name.starts_with(is_name_start) && name.chars().all(is_name_char)
        }
        None => false,
    };
    if is_right { Ok(()) } else { Err(XmlError::NotWellFormed) }
}

/// Whether `bytes` are an NCName.
pub(super) fn is_ncname(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_name_byte(*byte)) && check_ncname(bytes, bytes.is_ascii()).is_ok()
}

const fn is_name_start_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_')
}

const fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

const fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
