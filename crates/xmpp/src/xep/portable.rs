//! XEP-0227: what an exported account has that no other extension knows.
//!
//! SCRAM keys, and the block list: XEP-0191 has no form for it there, so it is written as the privacy list that would
//! have the same effect (XEP-0016 §2.2), and read from one.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use crate::build::Xml;
use crate::ns;
use crate::sasl::{Hash, ScramKeys};

/// The name of the privacy list that holds blocked JIDs.
const BLOCKED: &str = "blocked";
/// PBKDF2 rounds that are believed: more would let one log-in take a core for minutes.
const ITERATIONS_MAX: u32 = 10_000_000;
/// Bytes of a salt that are believed.
const SALT_BYTES_MAX: usize = 1_024;

/// `<scram-credentials/>` (§3.3).
pub fn scram_credentials(keys: &ScramKeys) -> Xml {
    Xml::new("scram-credentials", ns::PORTABLE_SCRAM)
        .attr("mechanism", mechanism(keys.hash))
        .text_child("iter-count", keys.iterations.to_string())
        .text_child("salt", BASE64.encode(&keys.salt))
        .text_child("server-key", BASE64.encode(&keys.server_key))
        .text_child("stored-key", BASE64.encode(&keys.stored_key))
}

/// Reads `<scram-credentials/>`; `Ok(None)` for a hash that is not known here.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn read_scram_credentials(element: &Element) -> Result<Option<ScramKeys>, &'static str> {
    let named = element.attr("mechanism").unwrap_or_default();
    let Some(hash) = [Hash::Sha1, Hash::Sha256].into_iter().find(|hash| mechanism(*hash) == named) else {
        return Ok(None);
    };
    let text = |name: &str| {
        let child = element.get_child(name, ns::PORTABLE_SCRAM).ok_or("SCRAM keys are not complete")?;
        Ok::<_, &'static str>(child.text().trim().to_owned())
    };
    let bytes = |name: &str| BASE64.decode(text(name)?).map_err(|_| "SCRAM keys that are not base64");
    let iterations = text("iter-count")?.parse().ok().filter(|count: &NonZeroU32| count.get() <= ITERATIONS_MAX);
    let iterations = iterations.ok_or("SCRAM keys with a wrong iteration count")?;
    let (mut salt, mut stored_key, mut server_key) = (bytes("salt")?, bytes("stored-key")?, bytes("server-key")?);
    // ejabberd, 23.01 at least, encodes what is encoded already.
    let again = [&salt, &stored_key, &server_key].map(|bytes| BASE64.decode(bytes));
    if stored_key.len() != hash.output_bytes()
        && let [Ok(once_salt), Ok(once_stored), Ok(once_server)] = again
    {
        (salt, stored_key, server_key) = (once_salt, once_stored, once_server);
    }
    let keys = ScramKeys { hash, salt, iterations, stored_key, server_key };
    let is_whole = keys.stored_key.len() == hash.output_bytes() && keys.server_key.len() == hash.output_bytes();
    if !is_whole || keys.salt.is_empty() || keys.salt.len() > SALT_BYTES_MAX {
        return Err("SCRAM keys of a wrong length");
    }
    Ok(Some(keys))
}

/// The privacy list in force that refuses everything of these JIDs, and nothing else.
pub fn privacy_list<'a>(blocked: impl IntoIterator<Item = &'a str>) -> Xml {
    let items = blocked.into_iter().enumerate().map(|(number, jid)| {
        let order = number.saturating_add(1).to_string();
        Xml::bare("item").attr("type", "jid").attr("value", jid).attr("action", "deny").attr("order", order)
    });
    Xml::new("query", ns::PRIVACY)
        .child(Xml::bare("default").attr("name", BLOCKED))
        .child(Xml::bare("list").attr("name", BLOCKED).children(items))
}

/// What privacy lists say, as far as blocking can express it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// The JIDs that the list in force refuses everything of, as they are written.
    pub jids: Vec<String>,
    /// Rules that cannot be kept: of other lists, by group or subscription, for some stanzas only, or allowing
    /// something that is refused otherwise.
    pub lost: usize,
}

/// Reads the privacy lists of an account.
pub fn read_privacy_lists(query: &Element) -> Blocked {
    let default = query.get_child("default", ns::PRIVACY).and_then(|default| default.attr("name"));
    let mut blocked = Blocked::default();
    for list in query.children().filter(|child| child.is("list", ns::PRIVACY)) {
        let in_force = default.is_some() && list.attr("name") == default;
        let mut items: Vec<&Element> = list.children().filter(|child| child.is("item", ns::PRIVACY)).collect();
        items.sort_by_key(|item| item.attr("order").and_then(|order| order.parse::<u64>().ok()).unwrap_or(u64::MAX));
        let mut allowed_before = false;
        for item in items {
            let is_jid = item.attr("type") == Some("jid");
            let denies = item.attr("action") == Some("deny");
            match item.attr("value") {
                // A message that may come or not; presence that may go out or not: blocking knows no such thing.
                Some(jid) if in_force && denies && is_jid && covers_all(item) && !allowed_before => {
                    blocked.jids.push(jid.to_owned());
                }
                // The last rule of most lists: all else may pass, which is so anyway.
                _ if item.attr("type").is_none() && !denies => {}
                _ => {
                    allowed_before |= !denies;
                    blocked.lost = blocked.lost.saturating_add(1);
                }
            }
        }
    }
    blocked
}

/// XEP-0016 §2.1: an item without children is for every stanza; so is one that lists all kinds.
fn covers_all(item: &Element) -> bool {
    let kinds = ["message", "iq", "presence-in", "presence-out"];
    item.children().next().is_none() || kinds.iter().all(|kind| item.has_child(kind, ns::PRIVACY))
}

fn mechanism(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SCRAM-SHA-1",
        Hash::Sha256 => "SCRAM-SHA-256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hash: Hash) -> ScramKeys {
        let key = vec![7; hash.output_bytes()];
        let iterations = NonZeroU32::new(4096).unwrap();
        ScramKeys { hash, salt: b"salt".to_vec(), iterations, stored_key: key.clone(), server_key: key }
    }

    fn element(xml: &str) -> Element {
        xml.parse().unwrap()
    }

    #[test]
    fn keys_come_back_as_they_were_written() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let written = element(&scram_credentials(&keys(hash)).to_string());
            assert!(read_scram_credentials(&written).unwrap().is_some_and(|read| read == keys(hash)));
        }
    }

    #[test]
    fn keys_that_were_encoded_twice_are_understood() {
        let twice = |bytes: &[u8]| BASE64.encode(BASE64.encode(bytes));
        let once = keys(Hash::Sha1);
        let written = scram_credentials(&once).to_string();
        let written = written.replace(&BASE64.encode(&once.salt), &twice(&once.salt));
        let written = written.replace(&BASE64.encode(&once.stored_key), &twice(&once.stored_key));
        assert!(read_scram_credentials(&element(&written)).unwrap().is_some_and(|read| read == once));
    }

    #[test]
    fn keys_that_nobody_could_log_in_with_are_refused() {
        let good = scram_credentials(&keys(Hash::Sha1)).to_string();
        let refusal = |from: &str, to: &str| read_scram_credentials(&element(&good.replace(from, to))).unwrap_err();
        assert_eq!(refusal("4096", "0"), "SCRAM keys with a wrong iteration count");
        assert_eq!(refusal("4096", "4000000000"), "SCRAM keys with a wrong iteration count");
        assert_eq!(refusal("SHA-1", "SHA-256"), "SCRAM keys of a wrong length");
        assert_eq!(refusal("<salt>c2FsdA==</salt>", ""), "SCRAM keys are not complete");
        assert_eq!(refusal("c2FsdA==", "!"), "SCRAM keys that are not base64");
        assert!(read_scram_credentials(&element(&good.replace("SHA-1", "SHA-512"))).unwrap().is_none());
    }

    #[test]
    fn whom_a_privacy_list_refuses_altogether_is_blocked() {
        let written = element(&privacy_list(["tybalt@example.com", "example.net"]).to_string());
        let jids = vec!["tybalt@example.com".to_owned(), "example.net".to_owned()];
        assert_eq!(read_privacy_lists(&written), Blocked { jids, lost: 0 });

        let mixed = element(&format!(
            "<query xmlns='{}'><default name='a'/>\
             <list name='a'><item action='allow' order='9'/><item type='jid' value='x@y' action='deny' order='1'/>\
             <item type='jid' value='z@y' action='deny' order='2'><message/></item></list>\
             <list name='b'><item type='subscription' value='both' action='allow' order='10'/></list></query>",
            ns::PRIVACY
        ));
        assert_eq!(read_privacy_lists(&mixed), Blocked { jids: vec!["x@y".to_owned()], lost: 2 });
    }

    #[test]
    fn what_a_rule_before_allows_is_not_blocked() {
        let list = element(&format!(
            "<query xmlns='{}'><default name='a'/><list name='a'>\
             <item type='jid' value='boss@x' action='allow' order='1'/>\
             <item type='jid' value='x' action='deny' order='2'/></list></query>",
            ns::PRIVACY
        ));
        assert_eq!(read_privacy_lists(&list), Blocked { jids: Vec::new(), lost: 2 });
    }
}
