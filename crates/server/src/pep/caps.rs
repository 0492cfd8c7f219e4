//! What clients want to be told of (XEP-0115, XEP-0163 §4.3.2): the features with `+notify` that stand behind the hash
//! in a presence. They are asked for once and kept for everybody, once the hash has proved them; a client whose answer
//! does not fit its hash is taken at its word, and nobody else with it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minidom::Element;
use parking_lot::Mutex;
use xmpp::ns;
use xmpp::xep::caps::{Announced, verification_string};

const NOTIFY: &str = "+notify";

/// The nodes that a client wants to be told of, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interests(Box<[Box<str>]>);

impl Interests {
    /// Reads them from a disco#info result; of more than `bytes_max` the rest is left out.
    fn read(query: &Element, bytes_max: usize) -> Self {
        let features = query.children().filter(|child| child.is("feature", ns::DISCO_INFO));
        let nodes = features.filter_map(|feature| feature.attr("var")?.strip_suffix(NOTIFY));
        let mut room = bytes_max;
        let mut kept: Vec<Box<str>> = Vec::new();
        for node in nodes {
            let Some(left) = room.checked_sub(node.len().saturating_add(size_of::<Box<str>>())) else { break };
            room = left;
            kept.push(node.into());
        }
        kept.sort_unstable();
        kept.dedup();
        Self(kept.into())
    }

    /// Whether that node is among them.
    pub fn contains(&self, node: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(node)).is_ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is known of the capabilities of one session.
#[derive(Clone, Debug, Default)]
pub struct SessionCaps {
    /// What its last presence announced.
    pub announced: Option<Arc<Announced>>,
    /// The id of the question that is open.
    pub asked: Option<Arc<str>>,
    /// What it wants to be told of.
    pub interests: Option<Arc<Interests>>,
}

impl SessionCaps {
    /// Whether the client wants to be told of that node.
    pub fn wants(&self, node: &str) -> bool {
        self.interests.as_ref().is_some_and(|interests| interests.contains(node))
    }
}

/// What stands behind which hash.
#[derive(Debug)]
pub struct Caps {
    known: Mutex<Known>,
    entries_max: usize,
    bytes_max: usize,
}

type Key = (String, String);

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<Key, Arc<Interests>>,
    /// The oldest makes room.
    order: VecDeque<Key>,
}

impl Caps {
    /// Nothing yet; at most so many hashes, each with at most so many bytes.
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { known: Mutex::default(), entries_max, bytes_max }
    }

    /// What is known to stand behind what was announced.
    pub fn known(&self, announced: &Announced) -> Option<Arc<Interests>> {
        self.known.lock().by_hash.get(&key(announced)?).cloned()
    }

    /// Takes the answer of a client that announced `announced`.
    pub fn learn(&self, announced: &Announced, query: &Element) -> Arc<Interests> {
        let interests = Arc::new(Interests::read(query, self.bytes_max));
        if let Some(key) = key(announced).filter(|_| is_proved(announced, query)) {
            let mut known = self.known.lock();
            while known.by_hash.len() >= self.entries_max {
                let Some(oldest) = known.order.pop_front() else { break };
                known.by_hash.remove(&oldest);
            }
            if known.by_hash.insert(key.clone(), interests.clone()).is_none() {
                known.order.push_back(key);
            }
        }
        interests
    }

    /// How many hashes are known.
    pub fn len(&self) -> usize {
        self.known.lock().by_hash.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(announced: &Announced) -> Option<Key> {
    Some((announced.hash.clone()?, announced.ver.clone()))
}

/// XEP-0115 §5.4: the answer makes the hash that was announced.
fn is_proved(announced: &Announced, query: &Element) -> bool {
    let algorithm = match announced.hash.as_deref() {
        Some("sha-1") => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Some("sha-256") => &digest::SHA256,
        _ => return false,
    };
    let Some(string) = verification_string(query) else { return false };
    STANDARD.encode(digest::digest(algorithm, string.as_bytes())) == announced.ver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(features: &str) -> Element {
        let info = ns::DISCO_INFO;
        format!("<query xmlns='{info}'><identity category='client' type='pc'/>{features}</query>").parse().unwrap()
    }

    fn announced(query: &Element) -> Announced {
        let string = verification_string(query).unwrap();
        let ver = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, string.as_bytes()));
        Announced { hash: Some("sha-1".into()), node: "n".into(), ver }
    }

    #[test]
    fn the_hash_of_the_text_s_example_is_proved() {
        // XEP-0115 §5.2.
        let exodus = "<query xmlns='http://jabber.org/protocol/disco#info'>\
            <identity category='client' name='Exodus 0.9.1' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>";
        let ver = "QgayPKawpkPSDYmwT/WM94uAlu0=".to_owned();
        let announced = Announced { hash: Some("sha-1".into()), node: "n".into(), ver };
        assert!(is_proved(&announced, &exodus.parse().unwrap()));
        assert!(!is_proved(&Announced { hash: Some("md5".into()), ..announced }, &exodus.parse().unwrap()));
    }

    #[test]
    fn an_answer_that_lies_is_believed_for_nobody_else() {
        let caps = Caps::new(10, 1_000);
        let truth = query("<feature var='urn:a+notify'/><feature var='urn:b'/>");
        let lie = query("<feature var='urn:c+notify'/>");
        let announced = announced(&truth);
        assert!(caps.learn(&announced, &lie).contains("urn:c"), "for the session that said so");
        assert_eq!(caps.known(&announced), None);
        let learnt = caps.learn(&announced, &truth);
        assert!(learnt.contains("urn:a") && !learnt.contains("urn:b"));
        assert_eq!(caps.known(&announced), Some(learnt));
        let old_form = Announced { hash: None, ..announced };
        assert!(caps.learn(&old_form, &truth).contains("urn:a"));
        assert_eq!((caps.known(&old_form), caps.len()), (None, 1));
    }

    /// `caps_entries_max` and `caps_bytes_max`.
    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_makes_room() {
        let caps = Caps::new(3, 100);
        let all: Vec<_> = (0..5).map(|number| query(&format!("<feature var='urn:{number}+notify'/>"))).collect();
        for query in &all {
            caps.learn(&announced(query), query);
        }
        let known: Vec<_> = all.iter().map(|query| caps.known(&announced(query)).is_some()).collect();
        assert_eq!(known, [false, false, true, true, true]);
        let many: String = (0..100).map(|number| format!("<feature var='urn:{number:03}+notify'/>")).collect();
        let interests = Interests::read(&query(&many), 100);
        assert_eq!(interests.0.len(), 4, "each counts 23 bytes");
    }
}
