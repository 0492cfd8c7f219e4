//! What the server answers: a `<body/>` with what waits for the client (XEP-0124 §7.2).

use bytes::Bytes;
use xmpp::build::Xml;
use xmpp::ns;

use super::ledger::Terms;

/// Why a session ends (XEP-0124 §17.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The session or the request is not known.
    ItemNotFound,
    /// Too many requests.
    PolicyViolation,
    /// The request cannot be understood.
    BadRequest,
    /// The stream ended with an error, which is in the body.
    RemoteStreamError,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::ItemNotFound => "item-not-found",
            Self::PolicyViolation => "policy-violation",
            Self::BadRequest => "bad-request",
            Self::RemoteStreamError => "remote-stream-error",
        }
    }
}

/// An answer with elements in it.
pub(super) fn body(elements: &[Bytes], acknowledged: Option<u64>) -> Xml {
    let body = empty().attr_opt("ack", acknowledged.map(|rid| rid.to_string()));
    with(body, elements)
}

/// The first answer of a session (XEP-0124 §8.2, XEP-0206 §3).
pub(super) fn created(elements: &[Bytes], terms: &Terms, rid: u64, (from, id): (&str, &str)) -> Xml {
    let (major, minor) = terms.version;
    let body = empty()
        .attr("xmlns:xmpp", ns::XBOSH)
        .attr("sid", &terms.sid)
        .attr("wait", terms.wait_secs.to_string())
        .attr("requests", terms.requests.to_string())
        .attr("hold", terms.hold.to_string())
        .attr("inactivity", terms.inactivity_secs.to_string())
        .attr("polling", terms.polling_secs.to_string())
        .attr("maxpause", terms.pause_secs_max.to_string())
        .attr("ver", format!("{major}.{minor}"))
        .attr("from", from)
        .attr("authid", id)
        .attr("xmpp:version", "1.0")
        .attr("xmpp:restartlogic", "true")
        .attr_opt("ack", terms.acknowledges.then(|| rid.to_string()));
    with(body, elements)
}

/// The last answer of a session.
pub(super) fn terminated(elements: &[Bytes], condition: Option<Condition>) -> Xml {
    let body = empty().attr("type", "terminate").attr_opt("condition", condition.map(Condition::name));
    with(body, elements)
}

fn empty() -> Xml {
    Xml::new("body", ns::HTTP_BIND)
}

fn with(body: Xml, elements: &[Bytes]) -> Xml {
    // They were cut from a stream of ours, which is UTF-8.
    elements.iter().filter_map(|element| std::str::from_utf8(element).ok()).fold(body, Xml::raw)
}
