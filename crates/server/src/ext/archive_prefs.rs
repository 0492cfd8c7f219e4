//! XEP-0441: which conversations an account wants archived.

use std::collections::BTreeSet;

use jid::Jid;
use minidom::Element;
use storage::archive_prefs::{ArchivePrefs, Fallback};
use xmpp::address;
use xmpp::build::Xml;
use xmpp::error::{Condition, StanzaError};
use xmpp::ns;

use super::{Reply, Request};

/// Answers `<prefs/>`: tells the preferences, after replacing them when asked to.
///
/// # Errors
/// `forbidden` for another's account, `bad-request` and `jid-malformed` for faulty preferences, `policy-violation`
/// for more JIDs than `mam_list_max`.
pub async fn handle(request: &Request<'_>) -> Reply {
    let account = &request.own_session()?.account;
    if !request.set {
        return Ok(write(&account.prefs()).to_string());
    }
    let prefs = read(request.payload, request.host.config.limits.mam_list_max)?;
    let answer = write(&prefs).to_string();
    storage::archive_prefs::store(&request.host.db, account.id, &prefs).await?;
    account.set_prefs(prefs);
    Ok(answer)
}

/// Whether a message to or from `peer` is archived; None: if the peer's bare JID is in the roster. Where both lists
/// name the peer it is not archived: a wish for privacy weighs more.
pub fn decide(prefs: &ArchivePrefs, peer: &Jid) -> Option<bool> {
    let full = peer.as_str();
    // XEP-0441 §2.3.1: a listed JID without resource stands for all its resources.
    let bare = full.split_once('/').map_or(full, |(bare, _)| bare);
    let listed = |list: &[String]| list.iter().any(|jid| jid == full || jid == bare);
    if listed(&prefs.never) {
        return Some(false);
    }
    if listed(&prefs.always) {
        return Some(true);
    }
    match prefs.fallback {
        Fallback::Always => Some(true),
        Fallback::Never => Some(false),
        Fallback::Roster => None,
    }
}

/// Reads `<prefs/>`.
///
/// # Errors
/// As [`handle`].
pub(crate) fn read(payload: &Element, jids_max: usize) -> Result<ArchivePrefs, StanzaError> {
    let fallback = match payload.attr("default") {
        Some("always") => Fallback::Always,
        Some("never") => Fallback::Never,
        Some("roster") => Fallback::Roster,
        _ => return Err(StanzaError::with_text(Condition::BadRequest, "default must be always, never or roster")),
    };
    let prefs = ArchivePrefs { fallback, always: jids(payload, "always")?, never: jids(payload, "never")? };
    if prefs.always.len() + prefs.never.len() > jids_max {
        return Err(StanzaError::with_text(Condition::PolicyViolation, "too many JIDs"));
    }
    Ok(prefs)
}

/// The JIDs of one list, normalised, sorted and each once; none when the list is missing.
fn jids(payload: &Element, list: &str) -> Result<Vec<String>, StanzaError> {
    let Some(list) = payload.get_child(list, ns::MAM) else { return Ok(Vec::new()) };
    let jids =
        list.children().filter(|child| child.is("jid", ns::MAM)).map(|child| address::parse(child.text().trim()));
    let distinct: Option<BTreeSet<Jid>> = jids.collect();
    let distinct = distinct.ok_or(Condition::JidMalformed)?;
    Ok(distinct.into_iter().map(Jid::into_inner).collect())
}

/// Writes `<prefs/>`.
pub(crate) fn write(prefs: &ArchivePrefs) -> Xml {
    let fallback = match prefs.fallback {
        Fallback::Always => "always",
        Fallback::Never => "never",
        Fallback::Roster => "roster",
    };
    let list = |name, jids: &[String]| jids.iter().fold(Xml::bare(name), |list, jid| list.text_child("jid", jid));
    Xml::new("prefs", ns::MAM)
        .attr("default", fallback)
        .child(list("always", &prefs.always))
        .child(list("never", &prefs.never))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: usize = 10;

    fn prefs(attributes: &str, lists: &str) -> Element {
        format!("<prefs xmlns='{}' {attributes}>{lists}</prefs>", ns::MAM).parse().unwrap()
    }

    fn condition(attributes: &str, lists: &str) -> Condition {
        read(&prefs(attributes, lists), 1).unwrap_err().condition
    }

    #[test]
    fn preferences_are_normalised_and_told_back() {
        let sent = prefs(
            "default='roster'",
            "<always><jid>Romeo@montague.lit</jid><jid>romeo@montague.lit</jid></always><never><jid>a.lit/Bot</jid></never>",
        );
        assert_eq!(
            write(&read(&sent, TEN).unwrap()).to_string(),
            "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@montague.lit</jid></always>\
             <never><jid>a.lit/Bot</jid></never></prefs>"
        );
        let lists_missing = read(&prefs("default='never'", ""), TEN).unwrap();
        assert_eq!(lists_missing, ArchivePrefs { fallback: Fallback::Never, always: vec![], never: vec![] });
    }

    #[test]
    fn faults_name_their_condition() {
        assert_eq!(condition("", ""), Condition::BadRequest);
        assert_eq!(condition("default='sometimes'", ""), Condition::BadRequest);
        assert_eq!(condition("default='always'", "<never><jid>a@@</jid></never>"), Condition::JidMalformed);
        let two = "<never><jid>a@x</jid></never><always><jid>b@x</jid></always>";
        assert_eq!(condition("default='always'", two), Condition::PolicyViolation);
    }

    #[test]
    fn lists_come_before_the_default_and_bare_jids_stand_for_their_resources() {
        let prefs = |fallback| ArchivePrefs {
            fallback,
            always: vec!["bot@x/logs".into(), "both@x".into(), "friend@x".into()],
            never: vec!["both@x/phone".into(), "secret@x".into()],
        };
        for (fallback, peer, expected) in [
            (Fallback::Never, "bot@x/logs", Some(true)),
            (Fallback::Never, "bot@x/other", Some(false)),
            (Fallback::Never, "bot@x", Some(false)),
            (Fallback::Never, "friend@x/phone", Some(true)),
            (Fallback::Never, "both@x/phone", Some(false)),
            (Fallback::Never, "both@x/desk", Some(true)),
            (Fallback::Always, "secret@x/phone", Some(false)),
            (Fallback::Always, "stranger@x", Some(true)),
            (Fallback::Roster, "stranger@x/phone", None),
            (Fallback::Roster, "friend@x", Some(true)),
            (Fallback::Roster, "secret@x", Some(false)),
        ] {
            assert_eq!(decide(&prefs(fallback), &Jid::new(peer).unwrap()), expected, "{fallback:?} {peer}");
        }
    }
}
