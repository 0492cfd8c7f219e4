//! Values as TOML writes them, and what they become: each conversion refuses with the rest of a
//! sentence that begins with the key's name.

use std::net::SocketAddr;
use std::path::PathBuf;

use jid::{BareJid, DomainPart, Jid};
use toml::de::DeValue;

use super::{LogFormat, Retention, Secret};

/// One value of the file or of a variable. Tables do not occur: they are flattened away.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Value>),
    /// A kind of value that no key wants (dates, floats, tables in lists): its TOML name.
    Unwanted(&'static str),
}

impl Value {
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Unwanted("huge integer"), Self::Integer),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::from_toml(item.get_ref())).collect()),
            other => Self::Unwanted(other.type_str()),
        }
    }

    /// The value as a message shows it.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", text.escape_debug()),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::List(_) => String::from("a list"),
            Self::Unwanted(kind) => format!("a {kind}"),
        }
    }
}

/// A type that a key can hold.
pub(super) trait FromValue: Sized {
    /// # Errors
    /// The rest of a sentence that starts with the key: "must be true or false, not 3".
    fn from_value(value: &Value) -> Result<Self, String>;
}

pub(super) fn expected<T>(what: &str, value: &Value) -> Result<T, String> {
    Err(format!("must be {what}, not {}", value.shown()))
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, String> {
        let Value::Boolean(value) = value else { return expected("true or false", value) };
        Ok(*value)
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if !text.is_empty() => Ok(text.clone()),
            Value::Text(_) => Err(String::from("must not be empty")),
            _ => expected("a text in quotes", value),
        }
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &Value) -> Result<Self, String> {
        String::from_value(value).map(Self::from)
    }
}

impl FromValue for Secret {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if !text.is_empty() => Ok(Self::new(text.clone())),
            // What stands there may be a secret in the wrong shape: never show it.
            _ => Err(String::from("must be a text in quotes that is not empty")),
        }
    }
}

impl FromValue for DomainPart {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "a domain such as \"example.org\"";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        // Through a JID, so that `user@domain` and `domain/resource` are refused.
        match BareJid::new(text) {
            Ok(jid) if jid.node().is_none() => Ok(jid.domain().to_owned()),
            _ => expected(WANTED, value),
        }
    }
}

impl FromValue for BareJid {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "a JID such as \"admin@example.org\"";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        match Jid::new(text).map(Jid::try_into_full) {
            Ok(Err(bare)) if bare.node().is_some() => Ok(bare),
            _ => expected(WANTED, value),
        }
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "an IP address and port such as \"0.0.0.0:5222\" or \"[::]:5222\"";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        text.parse().or_else(|_| expected(WANTED, value))
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, String> {
        let Value::List(items) = value else { return expected("a list in brackets", value) };
        let parse = |(number, item)| T::from_value(item).map_err(|problem| format!("entry {}: {problem}", number + 1));
        items.iter().enumerate().map(parse).collect()
    }
}

/// A URI for a list of contacts (XEP-0157): only its scheme is looked at.
#[derive(Debug)]
pub(super) struct ContactUri(pub(super) String);

impl FromValue for ContactUri {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "an address such as \"mailto:abuse@example.org\" or \"xmpp:admin@example.org\"";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric()) || text.contains(char::is_whitespace)
        {
            return expected(WANTED, value);
        }
        Ok(Self(text.clone()))
    }
}

impl FromValue for Retention {
    fn from_value(value: &Value) -> Result<Self, String> {
        const WANTED: &str = "\"forever\", \"until-delivered\" or a time such as \"30d\" (s, m, h, d or w)";
        let Value::Text(text) = value else { return expected(WANTED, value) };
        text.parse().or_else(|()| expected(WANTED, value))
    }
}

impl FromValue for LogFormat {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "text" => Ok(Self::Text),
            Value::Text(text) if text == "json" => Ok(Self::Json),
            _ => expected("\"text\" or \"json\"", value),
        }
    }
}

/// The value of one bound of `[limits]`: a number, or `none` where the bound may be off.
#[derive(Debug)]
pub(super) struct BoundValue(pub(super) Option<u64>);

impl FromValue for BoundValue {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => {
                u64::try_from(*number).map(|n| Self(Some(n))).or_else(|_| expected("a number above zero", value))
            }
            Value::Text(text) if text == "none" => Ok(Self(None)),
            _ => expected("a number, or \"none\" for no bound", value),
        }
    }
}
