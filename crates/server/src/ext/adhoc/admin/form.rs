//! The fields that several commands share (XEP-0133 §8.2), read and written.

use std::collections::BTreeSet;

use jid::{BareJid, Jid};
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;
use xmpp::sasl::Password;
use xmpp::xep::data_form::{self, Submission};

use crate::admin::Actor;
use crate::ext::Request;

/// A form of administration.
pub(super) fn form(title: &str, instructions: &str, fields: Vec<Xml>) -> Xml {
    data_form::form(ns::ADMIN, Some(title), Some(instructions), fields)
}

/// Who asks, for the audit log.
pub(super) fn actor(request: &Request<'_>) -> Actor {
    Actor::User(request.from.to_bare())
}

/// A result of administration.
pub(super) fn result(fields: Vec<Xml>) -> Xml {
    data_form::result(ns::ADMIN, fields)
}

/// The field for one account.
pub(super) fn account_field(label: &str) -> Xml {
    data_form::field("accountjid", "jid-single", label, true)
}

/// The field for any number of accounts.
pub(super) fn accounts_field(label: &str) -> Xml {
    data_form::field("accountjids", "jid-multi", label, true)
}

/// XEP-0050 §4.4: a form that lacks a required field, or has a value that makes no sense.
pub(super) fn bad_payload() -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_application("bad-payload", ns::COMMANDS)
}

/// The one account of `accountjid`.
pub(super) fn account(form: &Submission) -> Result<BareJid, StanzaError> {
    let text = form.value("accountjid").filter(|text| !text.is_empty()).ok_or_else(bad_payload)?;
    Ok(parse(text)?.into_bare())
}

/// The JIDs of `accountjids`, each once; at least one.
pub(super) fn jids(form: &Submission) -> Result<BTreeSet<Jid>, StanzaError> {
    let texts = form.values("accountjids").iter().filter(|text| !text.is_empty());
    let jids = texts.map(|text| parse(text)).collect::<Result<BTreeSet<_>, _>>()?;
    if jids.is_empty() { Err(bad_payload()) } else { Ok(jids) }
}

/// The accounts of `accountjids`, each once; at least one.
pub(super) fn accounts(form: &Submission) -> Result<BTreeSet<BareJid>, StanzaError> {
    Ok(jids(form)?.into_iter().map(Jid::into_bare).collect())
}

/// The new password of a form, and the same again where it asks twice and was answered twice.
pub(super) fn password(form: &Submission) -> Result<Password, StanzaError> {
    let password = form.value("password").filter(|text| !text.is_empty()).ok_or_else(bad_payload)?;
    if form.value("password-verify").is_some_and(|again| again != password) {
        let text = "the two passwords differ";
        return Err(StanzaError::with_text(Condition::BadRequest, text).with_application("bad-payload", ns::COMMANDS));
    }
    Password::prepare(password)
        .map_err(|_| StanzaError::with_text(Condition::NotAcceptable, "the password cannot be used"))
}

fn parse(text: &str) -> Result<Jid, StanzaError> {
    address::parse(text.trim()).ok_or(Condition::JidMalformed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitted(fields: &str) -> Submission {
        let xml = format!("<c xmlns='urn:c'><x xmlns='{}' type='submit'>{fields}</x></c>", ns::DATA_FORMS);
        Submission::read(&xml.parse().unwrap()).unwrap()
    }

    fn field(var: &str, values: &[&str]) -> String {
        let values: String = values.iter().map(|value| format!("<value>{value}</value>")).collect();
        format!("<field var='{var}'>{values}</field>")
    }

    #[test]
    fn accounts_are_named_by_bare_jids_each_once() {
        let form = submitted(&field("accountjids", &["b@x.lit", "A@x.lit/phone", "a@x.lit", ""]));
        let accounts: Vec<String> = accounts(&form).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(accounts, ["a@x.lit", "b@x.lit"]);
        assert_eq!(jids(&form).unwrap().len(), 3, "for sessions, a resource matters");
        assert_eq!(account(&submitted(&field("accountjid", &["a@x.lit"]))).unwrap().as_str(), "a@x.lit");
    }

    #[test]
    fn what_is_missing_or_malformed_is_told_apart() {
        for empty in [String::new(), field("accountjids", &[]), field("accountjids", &[""])] {
            assert_eq!(jids(&submitted(&empty)).unwrap_err().application.unwrap().0, "bad-payload");
        }
        assert_eq!(account(&submitted("")).unwrap_err().application.unwrap().0, "bad-payload");
        assert_eq!(jids(&submitted(&field("accountjids", &["@"]))).unwrap_err().condition, Condition::JidMalformed);
    }

    #[test]
    fn a_password_given_twice_is_given_alike() {
        let form = |password: &str, again: &str| {
            submitted(&(field("password", &[password]) + &field("password-verify", &[again])))
        };
        assert!(password(&form("R0m30", "R0m30")).is_ok());
        assert_eq!(password(&form("R0m30", "R0me0")).unwrap_err().application.unwrap().0, "bad-payload");
        assert!(password(&submitted(&field("password", &["R0m30"]))).is_ok());
        assert_eq!(password(&submitted("")).unwrap_err().application.unwrap().0, "bad-payload");
        let long = "x".repeat(5_000);
        assert_eq!(password(&form(&long, &long)).unwrap_err().condition, Condition::NotAcceptable);
    }
}
