//! What `<authenticate/>` asks for (XEP-0388 §2.3, XEP-0386 §3.2, XEP-0484 §3).

use minidom::Element;
use xmpp::ns;
use xmpp::sasl::{Condition, Failure, TokenMechanism, UserAgent, payload};

use crate::c2s::resume;

/// An `<authenticate/>`.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) mechanism: String,
    /// None: the mechanism's first message is still to come.
    pub(super) initial: Option<Vec<u8>>,
    pub(super) user_agent: UserAgent,
    /// The session to resume.
    pub(super) resume: Option<resume::Request>,
    pub(super) bind: Option<Bind>,
    /// The mechanism is one for tokens.
    pub(super) fast: Option<Fast>,
    /// A token for that mechanism is wanted.
    pub(super) wants_token: Option<TokenMechanism>,
}

/// How a token is used (XEP-0484 §3.4, §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fast {
    pub(super) count: Option<u32>,
    pub(super) invalidate: bool,
}

/// A `<bind/>` of XEP-0386.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bind {
    /// What the resource begins with.
    pub(super) tag: Option<String>,
    /// Carbons are on from the start (XEP-0280).
    pub(super) carbons: bool,
    /// Stream management is on from the start (XEP-0198).
    pub(super) sm: Option<EnableSm>,
    /// The client begins inactive (XEP-0352).
    pub(super) inactive: bool,
}

/// An `<enable/>` of XEP-0198.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EnableSm {
    pub(super) resume: bool,
    /// In seconds.
    pub(super) max: Option<u64>,
}

impl Request {
    /// Reads it.
    ///
    /// # Errors
    /// `malformed-request` for an id or a count that are none, `incorrect-encoding` for what is not base64.
    pub(super) fn read(authenticate: &Element) -> Result<Self, Failure> {
        let initial = authenticate.get_child("initial-response", ns::SASL2);
        let resume = authenticate.get_child("resume", ns::SM);
        Ok(Self {
            mechanism: authenticate.attr("mechanism").unwrap_or_default().to_owned(),
            initial: initial.map(|initial| payload::decode(initial.text().trim())).transpose()?,
            user_agent: match authenticate.get_child("user-agent", ns::SASL2) {
                Some(agent) => UserAgent::read(agent)?,
                None => UserAgent::default(),
            },
            resume: resume.map(|resume| resume::Request::of(resume.attr("h"), resume.attr("previd"))),
            bind: authenticate.get_child("bind", ns::BIND2).map(Bind::read),
            fast: authenticate.get_child("fast", ns::FAST).map(Fast::read).transpose()?,
            wants_token: authenticate
                .get_child("request-token", ns::FAST)
                .and_then(|wanted| TokenMechanism::by_name(wanted.attr("mechanism")?)),
        })
    }
}

impl Fast {
    fn read(fast: &Element) -> Result<Self, Failure> {
        let malformed = Failure::new(Condition::MalformedRequest, "the count is no number of this size");
        let count = fast.attr("count").map(|count| count.trim().parse().map_err(|_| malformed)).transpose()?;
        Ok(Self { count, invalidate: is_true(fast.attr("invalidate")) })
    }
}

impl Bind {
    fn read(bind: &Element) -> Self {
        let enable = bind.get_child("enable", ns::SM);
        Self {
            tag: bind.get_child("tag", ns::BIND2).map(|tag| tag.text().trim().to_owned()).filter(|tag| !tag.is_empty()),
            carbons: bind.has_child("enable", ns::CARBONS),
            sm: enable.map(|enable| EnableSm {
                resume: is_true(enable.attr("resume")),
                max: enable.attr("max").and_then(|max| max.trim().parse().ok()),
            }),
            inactive: bind.has_child("inactive", ns::CSI),
        }
    }
}

fn is_true(attribute: Option<&str>) -> bool {
    matches!(attribute, Some("true" | "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &str) -> Result<Request, Failure> {
        let xml = format!("<authenticate xmlns='{}' mechanism='PLAIN'>{children}</authenticate>", ns::SASL2);
        Request::read(&xml.parse().unwrap())
    }

    #[test]
    fn everything_can_be_asked_for_at_once() {
        let request = read(&format!(
            "<initial-response> AGE= </initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>\
             <bind xmlns='{}'><tag>Bird</tag><enable xmlns='{}'/><enable xmlns='{}' resume='1' max='60'/>\
             <inactive xmlns='{}'/></bind><resume xmlns='{}' h='7' previd='x'/>\
             <request-token xmlns='{fast}' mechanism='HT-SHA-256-NONE'/><fast xmlns='{fast}' count='3' invalidate='true'/>",
            ns::BIND2,
            ns::CARBONS,
            ns::SM,
            ns::CSI,
            ns::SM,
            fast = ns::FAST,
        ))
        .unwrap();
        assert_eq!((request.mechanism.as_str(), request.initial.as_deref()), ("PLAIN", Some(b"\0a".as_slice())));
        assert!(request.user_agent.id.is_some() && request.resume.is_some());
        let sm = Some(EnableSm { resume: true, max: Some(60) });
        assert_eq!(request.bind, Some(Bind { tag: Some("Bird".into()), carbons: true, sm, inactive: true }));
        assert_eq!(request.fast, Some(Fast { count: Some(3), invalidate: true }));
        assert_eq!(request.wants_token, Some(TokenMechanism::Unbound));
    }

    #[test]
    fn nothing_but_the_mechanism_is_needed() {
        let request = read("<something xmlns='urn:else'/>").unwrap();
        assert_eq!(request.initial, None, "no response is not an empty one");
        assert!(request.bind.is_none() && request.resume.is_none() && request.fast.is_none());
        assert_eq!(read("<initial-response/>").unwrap().initial, Some(Vec::new()));
    }

    #[test]
    fn nonsense_is_refused_or_passed_over() {
        let refusal = |children: &str| read(children).unwrap_err().condition;
        assert_eq!(refusal("<initial-response>?</initial-response>"), Condition::IncorrectEncoding);
        assert_eq!(refusal("<user-agent id='phone'/>"), Condition::MalformedRequest);
        for count in ["-1", "x", "", "99999999999"] {
            assert_eq!(refusal(&format!("<fast xmlns='{}' count='{count}'/>", ns::FAST)), Condition::MalformedRequest);
        }
        let unknown = format!("<request-token xmlns='{}' mechanism='HT-SHA-1-NONE'/>", ns::FAST);
        assert_eq!(read(&unknown).unwrap().wants_token, None);
    }
}
