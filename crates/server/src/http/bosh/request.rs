//! What a client's `<body/>` says (XEP-0124 §7, XEP-0206 §5).

use bytes::{Bytes, BytesMut};
use xmpp::ns;
use xmpp::xml::{Element, Limits};

use crate::c2s::framed::{CLOSE, open_stream};

/// XEP-0124 §14.1: the largest number that every client can count to.
const RID_MAX: u64 = 9_007_199_254_740_991;

/// A request that was understood.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) rid: u64,
    /// None: a new session.
    pub(super) sid: Option<String>,
    /// The elements in it, as bytes of the stream, with the header of a new stream before them.
    pub(super) payload: BytesMut,
    /// Nothing is in it, and nothing is asked for but an answer.
    pub(super) is_empty: bool,
    /// Seconds.
    pub(super) pause: Option<u64>,
    pub(super) key: Option<String>,
    pub(super) new_key: Option<String>,
    pub(super) wishes: Wishes,
}

/// What a client wishes for its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Seconds.
    pub(super) wait: Option<u64>,
    pub(super) hold: Option<usize>,
    /// The version of BOSH, major and minor.
    pub(super) version: Option<(u32, u32)>,
    pub(super) acknowledges: bool,
}

impl Request {
    /// None: it is no request of BOSH.
    pub(super) fn parse(bytes: Bytes, limits: &Limits) -> Option<Self> {
        let body = Element::parse_within(bytes, "", limits).ok().filter(|body| body.is("body", ns::HTTP_BIND))?;
        let text = |name: &str| body.attr(name).map(|value| value.trim().to_owned());
        let number = |name: &str| body.attr(name).and_then(|value| value.trim().parse::<u64>().ok());
        let rid = number("rid").filter(|rid| (1..=RID_MAX).contains(rid))?;
        let sid = text("sid");
        let restarts = matches!(text("xmpp:restart").as_deref(), Some("true" | "1"));
        let terminates = text("type").as_deref() == Some("terminate");
        let mut payload = BytesMut::new();
        if sid.is_none() || restarts {
            let (to, from, lang) = (body.attr("to"), body.attr("from"), body.lang());
            let version = body.attr("xmpp:version");
            open_stream(
                &mut payload,
                &[
                    ("to", to.as_deref()),
                    ("from", from.as_deref()),
                    ("version", version.as_deref().or(Some("1.0"))),
                    ("xml:lang", lang.as_deref()),
                ],
            );
        }
        body.children().for_each(|child| payload.extend_from_slice(child.bytes()));
        if terminates {
            payload.extend_from_slice(CLOSE);
        }
        Some(Self {
            rid,
            is_empty: payload.is_empty(),
            sid,
            payload,
            pause: number("pause"),
            key: text("key"),
            new_key: text("newkey"),
            wishes: Wishes {
                wait: number("wait"),
                hold: number("hold").and_then(|hold| usize::try_from(hold).ok()),
                version: text("ver").and_then(|version| {
                    let (major, minor) = version.split_once('.')?;
                    Some((major.parse().ok()?, minor.parse().ok()?))
                }),
                acknowledges: text("ack").as_deref() == Some("1"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(attributes: &str, content: &str) -> Option<Request> {
        let text = format!("<body xmlns='{}' xmlns:xmpp='{}' {attributes}>{content}</body>", ns::HTTP_BIND, ns::XBOSH);
        Request::parse(text.into(), &Limits::TRUSTED)
    }

    #[test]
    fn a_new_session_opens_a_stream() {
        let request =
            parse("rid='7' to='localhost' wait='60' hold='1' ver='1.10' ack='1' xmpp:version='1.0'", "").unwrap();
        let payload = String::from_utf8(request.payload.to_vec()).unwrap();
        assert!(
            payload.starts_with("<stream:stream ") && payload.ends_with(" to='localhost' version='1.0'>"),
            "{payload}"
        );
        let wishes = Wishes { wait: Some(60), hold: Some(1), version: Some((1, 10)), acknowledges: true };
        assert_eq!((request.rid, request.sid, request.wishes), (7, None, wishes));
    }

    #[test]
    fn later_requests_carry_elements_and_may_end_the_stream() {
        let request = parse("rid='8' sid='s' type='terminate'", "<presence xmlns='jabber:client'/>").unwrap();
        assert_eq!(request.payload.as_ref(), b"<presence xmlns='jabber:client'/></stream:stream>");
        assert!(parse("rid='8' sid='s'", "").unwrap().is_empty);
    }

    #[test]
    fn what_has_no_number_or_is_no_body_is_no_request() {
        for attributes in ["", "rid='0'", "rid='-1'", "rid='x'", "rid='9007199254740992'", "rid='1' rid='1'"] {
            assert!(parse(attributes, "").is_none(), "{attributes}");
        }
        assert!(Request::parse(Bytes::from_static(b"<body rid='1'/>"), &Limits::TRUSTED).is_none());
        assert!(Request::parse(Bytes::from_static(b"hello"), &Limits::TRUSTED).is_none());
    }
}
