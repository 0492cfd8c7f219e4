//! XEP-0050 Ad-Hoc Commands of the server's own JID: finding them, running them in one step or with a form between.
//! The commands there are, those of service administration, are in `admin/`, a profile of this one; those that invite
//! in `invites.rs`, those about one's own devices in `devices.rs`.

mod admin;
mod command;
mod devices;
mod invites;
mod sessions;

use minidom::Element;
use xmpp::build::Xml;
use xmpp::error::{Condition, ErrorType, StanzaError};
use xmpp::ns;
use xmpp::xep::data_form::Submission;

use super::{Reply, Request};
use crate::c2s;

use command::{Asker, Command};
pub use sessions::Commands;

/// Whether a disco query is about the list of commands, or about one of them.
pub fn is_about_commands(payload: &Element) -> bool {
    payload.attr("node").is_some_and(|node| node == ns::COMMANDS || Command::by_node(node).is_some())
}

/// Answers disco#info and disco#items about [what is](is_about_commands) the business of commands (XEP-0050 §2.2).
///
/// # Errors
/// `forbidden` about a command that the asker may not use.
pub async fn disco(request: &Request<'_>) -> Reply {
    request.only_get()?;
    let node = request.payload.attr("node").ok_or(Condition::ItemNotFound)?;
    let asker = Asker::of(request);
    let about_items = request.payload.is("query", ns::DISCO_ITEMS);
    let answer = match Command::by_node(node) {
        Some(command) if !command.is_for(asker) => return Err(Condition::Forbidden.into()),
        // A command has no items of its own.
        Some(_) if about_items => Xml::new("query", ns::DISCO_ITEMS).attr("node", node),
        Some(command) => info(node, "command-node", command.name()),
        None if about_items => items(request, asker),
        None => info(node, "command-list", "Commands"),
    };
    Ok(answer.to_string())
}

fn info(node: &str, kind: &str, name: &str) -> Xml {
    let features = [ns::COMMANDS, ns::DATA_FORMS].map(|feature| Xml::bare("feature").attr("var", feature));
    Xml::new("query", ns::DISCO_INFO)
        .attr("node", node)
        .child(Xml::bare("identity").attr("category", "automation").attr("type", kind).attr("name", name))
        .children(features)
}

fn items(request: &Request<'_>, asker: Asker) -> Xml {
    let items = Command::all().filter(|command| command.is_for(asker)).map(|command| {
        Xml::bare("item")
            .attr("jid", request.host.domain.as_str())
            .attr("node", command.node())
            .attr("name", command.name())
    });
    Xml::new("query", ns::DISCO_ITEMS).attr("node", ns::COMMANDS).children(items)
}

/// Answers a `<command/>` (XEP-0050 §2.4).
///
/// # Errors
/// Those of XEP-0050 §4.4 and XEP-0133 §5.
pub async fn handle(request: &Request<'_>) -> Reply {
    if !request.set {
        return Err(Condition::BadRequest.into());
    }
    if !request.stanza.element.children().all(|child| child.lang().is_none_or(|lang| is_language(&lang))) {
        return Err(command_error(Condition::BadRequest, "bad-locale"));
    }
    let node = request.payload.attr("node").ok_or(Condition::BadRequest)?;
    let command = permitted(node, Asker::of(request))?;
    let commands = &request.host.commands;
    let session = request.payload.attr("sessionid");
    let step = decide(request.payload.attr("action"), session.is_some())?;
    let id = match session {
        Some(id) => {
            commands.check(id, request.from, node, request.host.clock.now_ms())?;
            id.to_owned()
        }
        None => commands.new_id(request.from, node, &c2s::random_id()),
    };
    let answer = Xml::new("command", ns::COMMANDS).attr("node", node).attr("sessionid", &id).attr("xml:lang", "en");
    let form = if step == Step::Begin { command.form(request).await? } else { None };
    let answer = match (step, form) {
        (Step::Cancel, _) => {
            commands.end(&id);
            answer.attr("status", "canceled")
        }
        (Step::Begin, Some(form)) => {
            commands.begin(&id, request.from, request.host.clock.now_ms());
            let actions = Xml::bare("actions").attr("execute", "complete").child(Xml::bare("complete"));
            answer.attr("status", "executing").child(actions).child(form)
        }
        // A command without a form is complete at once; its session ids are never awaited.
        (Step::Begin | Step::Complete, _) => {
            let submission = Submission::read(request.payload).unwrap_or_default();
            // A session whose command failed goes on, so that the form can be mended and sent again.
            let outcome = command.run(request, &submission).await?;
            commands.end(&id);
            answer.attr("status", "completed").child_opt(outcome)
        }
    };
    Ok(answer.to_string())
}

/// The command of that node, when the asker may use it.
fn permitted(node: &str, asker: Asker) -> Result<Command, StanzaError> {
    let forbidden = || StanzaError::new(Condition::Forbidden).of_type(ErrorType::Cancel);
    match Command::by_node(node) {
        Some(command) if command.is_for(asker) => Ok(command),
        Some(_) => Err(forbidden()),
        // XEP-0133 §5: a command that exists, and not here.
        None if node.strip_prefix(ns::ADMIN).is_some_and(|rest| rest.starts_with('#')) => {
            Err(if asker.is_admin { Condition::FeatureNotImplemented.into() } else { forbidden() })
        }
        None => Err(Condition::ItemNotFound.into()),
    }
}

/// What an action means at the point where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Complete,
    Cancel,
}

/// XEP-0050 §3.4: no command here has a second form, so there is nothing before or after the first.
fn decide(action: Option<&str>, in_session: bool) -> Result<Step, StanzaError> {
    match (action.unwrap_or("execute"), in_session) {
        ("execute", false) => Ok(Step::Begin),
        ("execute" | "complete", true) => Ok(Step::Complete),
        ("cancel", true) => Ok(Step::Cancel),
        ("complete" | "cancel" | "next" | "prev", _) => Err(command_error(Condition::BadRequest, "bad-action")),
        _ => Err(command_error(Condition::BadRequest, "malformed-action")),
    }
}

/// Whether a text is shaped like a language tag (RFC 5646). All are answered in English, which the answer says.
fn is_language(tag: &str) -> bool {
    tag.is_empty()
        || tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn command_error(condition: Condition, name: &'static str) -> StanzaError {
    StanzaError::new(condition).with_application(name, ns::COMMANDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(action: &str, in_session: bool) -> &'static str {
        decide(Some(action), in_session).unwrap_err().application.unwrap().0
    }

    #[test]
    fn a_command_begins_completes_or_is_cancelled() {
        assert_eq!(decide(None, false), Ok(Step::Begin));
        assert_eq!(decide(Some("execute"), false), Ok(Step::Begin));
        assert_eq!(decide(None, true), Ok(Step::Complete));
        assert_eq!(decide(Some("complete"), true), Ok(Step::Complete));
        assert_eq!(decide(Some("cancel"), true), Ok(Step::Cancel));
    }

    #[test]
    fn actions_that_lead_nowhere_are_told_from_those_that_do_not_exist() {
        assert_eq!(application("next", true), "bad-action");
        assert_eq!(application("prev", true), "bad-action");
        assert_eq!(application("complete", false), "bad-action");
        assert_eq!(application("cancel", false), "bad-action");
        assert_eq!(application("dance", true), "malformed-action");
        assert_eq!(application("", false), "malformed-action");
    }

    #[test]
    fn only_administrators_are_told_what_there_is() {
        let asker = |is_admin| Asker { is_admin, is_user: true, may_invite: true };
        let condition = |node: &str, is_admin| permitted(node, asker(is_admin)).unwrap_err().condition;
        let add_user = "http://jabber.org/protocol/admin#add-user";
        assert!(permitted(add_user, asker(true)).is_ok());
        assert!(permitted("list-devices", asker(false)).is_ok());
        let component = Asker { is_admin: false, is_user: false, may_invite: true };
        assert_eq!(permitted("list-devices", component).unwrap_err().condition, Condition::Forbidden);
        assert_eq!(condition(add_user, false), Condition::Forbidden);
        assert_eq!(condition("http://jabber.org/protocol/admin#shutdown", true), Condition::FeatureNotImplemented);
        assert_eq!(condition("http://jabber.org/protocol/admin#shutdown", false), Condition::Forbidden);
        assert_eq!(condition("config", true), Condition::ItemNotFound);
    }

    #[test]
    fn a_language_is_shaped_like_one() {
        assert!(is_language("en") && is_language("fr-CA") && is_language("zh-Hant-TW") && is_language(""));
        assert!(!is_language("!!") && !is_language("en_US") && !is_language("-"));
    }
}
