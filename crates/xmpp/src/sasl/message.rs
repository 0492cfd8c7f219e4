//! The grammar of SCRAM's messages (RFC 5802 §7), shared by both ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::failure::Failure;
use super::limits::{CLIENT_NONCE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// What a client says about channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindingFlag<'a> {
    /// `n`: the client has none.
    Unsupported,
    /// `y`: the client has some, and believes that the server has not.
    NotOffered,
    /// `p=`: the client binds with the type of this name.
    Required(&'a str),
}

/// The first message of a client, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    pub(super) flag: BindingFlag<'a>,
    pub(super) authzid: Option<String>,
    /// The header as sent, both commas included: it returns inside `c=`.
    pub(super) header: &'a str,
    pub(super) username: String,
    pub(super) nonce: &'a str,
    /// The message behind the header: the first part of what is signed.
    pub(super) bare: &'a str,
}

/// The last message of a client, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// The decoded `c=`.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
    /// Everything before the proof: the last part of what is signed.
    pub(super) without_proof: &'a str,
}

/// A SASL message as text: bounded, UTF-8, without NUL.
pub(super) fn text(message: &[u8]) -> Result<&str, Failure> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Failure::malformed("the message is too long"));
    }
    let text = std::str::from_utf8(message).map_err(|_| Failure::malformed("the message is not UTF-8"))?;
    if text.contains('\0') {
        return Err(Failure::malformed("the message contains NUL"));
    }
    Ok(text)
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a str) -> Result<Self, Failure> {
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Failure::malformed("the GS2 header is incomplete"));
        };
        let header = message.strip_suffix(bare).unwrap_or_default();

        let mut attributes = Attributes::new(bare);
        let username = unescape(attributes.expect('n')?)?;
        let nonce = attributes.expect('r')?;
        if nonce.len() > CLIENT_NONCE_BYTES_MAX || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::malformed("the nonce is too long or not printable"));
        }
        attributes.skip_extensions()?;

        Ok(Self { flag: binding_flag(flag)?, authzid: authzid_of(authzid)?, header, username, nonce, bare })
    }
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a str) -> Result<Self, Failure> {
        let (without_proof, proof) = message
            .rsplit_once(',')
            .and_then(|(rest, last)| Some((rest, last.strip_prefix("p=")?)))
            .ok_or(Failure::malformed("the proof is missing"))?;
        let mut attributes = Attributes::new(without_proof);
        let binding = decode(attributes.expect('c')?)?;
        let nonce = attributes.expect('r')?;
        attributes.skip_extensions()?;
        Ok(Self { binding, nonce, proof: decode(proof)?, without_proof })
    }
}

/// Walks over `a=value,b=value`.
pub(super) struct Attributes<'a>(std::str::Split<'a, char>);

impl<'a> Attributes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.split(','))
    }

    /// The next attribute: its letter and its value, which is never empty.
    pub(super) fn next(&mut self) -> Result<Option<(char, &'a str)>, Failure> {
        let Some(attribute) = self.0.next() else { return Ok(None) };
        let (name, value) = attribute.split_once('=').ok_or(Failure::malformed("an attribute has no value"))?;
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            // RFC 5802 §5.1: `m` announces extensions that may not be ignored, and none exists.
            (Some('m'), None) => Err(Failure::malformed("a mandatory extension is not supported")),
            (Some(letter), None) if letter.is_ascii_alphabetic() && !value.is_empty() => Ok(Some((letter, value))),
            _ => Err(Failure::malformed("an attribute is not well-formed")),
        }
    }

    /// The value of the next attribute, which must have this letter: the order is fixed.
    pub(super) fn expect(&mut self, letter: char) -> Result<&'a str, Failure> {
        match self.next()? {
            Some((found, value)) if found == letter => Ok(value),
            _ => Err(Failure::malformed("an attribute is missing or out of order")),
        }
    }

    fn skip_extensions(&mut self) -> Result<(), Failure> {
        while self.next()?.is_some() {}
        Ok(())
    }
}

/// Base64 inside an attribute. Broken base64 here breaks SCRAM's grammar, so it is no `incorrect-encoding`.
pub(super) fn decode(value: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(value).map_err(|_| Failure::malformed("an attribute is not base64"))
}

/// Base64 for an attribute.
pub(super) fn encode(value: &[u8]) -> String {
    STANDARD.encode(value)
}

/// Writes a name so that it contains neither a comma nor a bare equals sign (RFC 5802 §5.1).
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(name: &str) -> Result<String, Failure> {
    let mut pieces = name.split('=');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (letter, rest) = if let Some(rest) = piece.strip_prefix("2C") {
            (',', rest)
        } else if let Some(rest) = piece.strip_prefix("3D") {
            ('=', rest)
        } else {
            return Err(Failure::malformed("a name has an equals sign that is no escape"));
        };
        plain.push(letter);
        plain.push_str(rest);
    }
    Ok(plain)
}

fn binding_flag(flag: &str) -> Result<BindingFlag<'_>, Failure> {
    match flag {
        "n" => Ok(BindingFlag::Unsupported),
        "y" => Ok(BindingFlag::NotOffered),
        _ => match flag.strip_prefix("p=") {
            Some(kind) if !kind.is_empty() => Ok(BindingFlag::Required(kind)),
            _ => Err(Failure::malformed("the channel-binding flag is unknown")),
        },
    }
}

fn authzid_of(field: &str) -> Result<Option<String>, Failure> {
    if field.is_empty() {
        return Ok(None);
    }
    match field.strip_prefix("a=") {
        Some(authzid) if !authzid.is_empty() => unescape(authzid).map(Some),
        _ => Err(Failure::malformed("the authorization identity is not well-formed")),
    }
}
