//! Stanza errors (RFC 6120 §8.3) and stream errors (RFC 6120 §4.9): the answers at the protocol's edge.

use crate::ns;

/// What the sender of a failed stanza may do about it (RFC 6120 §8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Proceed: the condition was only a warning.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// The value of the `type` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

/// Defined conditions of RFC 6120 §8.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named and explained in RFC 6120 §8.3.3")]
pub enum Condition {
    BadRequest,
    Conflict,
    FeatureNotImplemented,
    Forbidden,
    Gone,
    InternalServerError,
    ItemNotFound,
    JidMalformed,
    NotAcceptable,
    NotAllowed,
    NotAuthorized,
    PolicyViolation,
    RecipientUnavailable,
    Redirect,
    RegistrationRequired,
    RemoteServerNotFound,
    RemoteServerTimeout,
    ResourceConstraint,
    ServiceUnavailable,
    SubscriptionRequired,
    UndefinedCondition,
    UnexpectedRequest,
}

impl Condition {
    /// The element's local name in `urn:ietf:params:xml:ns:xmpp-stanzas`.
    pub fn as_str(self) -> &'static str {
        use Condition::*;
        match self {
            BadRequest => "bad-request",
            Conflict => "conflict",
            FeatureNotImplemented => "feature-not-implemented",
            Forbidden => "forbidden",
            Gone => "gone",
            InternalServerError => "internal-server-error",
            ItemNotFound => "item-not-found",
            JidMalformed => "jid-malformed",
            NotAcceptable => "not-acceptable",
            NotAllowed => "not-allowed",
            NotAuthorized => "not-authorized",
            PolicyViolation => "policy-violation",
            RecipientUnavailable => "recipient-unavailable",
            Redirect => "redirect",
            RegistrationRequired => "registration-required",
            RemoteServerNotFound => "remote-server-not-found",
            RemoteServerTimeout => "remote-server-timeout",
            ResourceConstraint => "resource-constraint",
            ServiceUnavailable => "service-unavailable",
            SubscriptionRequired => "subscription-required",
            UndefinedCondition => "undefined-condition",
            UnexpectedRequest => "unexpected-request",
        }
    }

    /// The error type RFC 6120 §8.3.3 associates with the condition.
    pub fn default_type(self) -> ErrorType {
        use Condition::*;
        match self {
            BadRequest | JidMalformed | NotAcceptable | PolicyViolation | Redirect => ErrorType::Modify,
            Forbidden | NotAuthorized | RegistrationRequired | SubscriptionRequired => ErrorType::Auth,
            RecipientUnavailable | RemoteServerTimeout | ResourceConstraint | UnexpectedRequest => ErrorType::Wait,
            Conflict
            | FeatureNotImplemented
            | Gone
            | InternalServerError
            | ItemNotFound
            | NotAllowed
            | RemoteServerNotFound
            | ServiceUnavailable
            | UndefinedCondition => ErrorType::Cancel,
        }
    }
}

/// A stanza error: why a stanza could not be processed or delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .condition.as_str(), .text.map(|t| format!(": {t}")).unwrap_or_default())]
pub struct StanzaError {
    /// What the sender may do about it.
    pub kind: ErrorType,
    /// The defined condition.
    pub condition: Condition,
    /// An explanation for people, in English.
    pub text: Option<&'static str>,
    /// An application-specific condition: its local name and namespace.
    pub application: Option<(&'static str, &'static str)>,
    /// A number inside of that, in an element of this name.
    pub application_number: Option<(&'static str, u64)>,
    /// What is not supported: the `feature` of XEP-0060's condition `unsupported`.
    pub feature: Option<&'static str>,
    /// A number that XEP-0086 gave the condition once, for clients that read nothing else.
    pub code: Option<u16>,
}

impl StanzaError {
    /// The condition with its default type.
    pub fn new(condition: Condition) -> Self {
        Self {
            kind: condition.default_type(),
            condition,
            text: None,
            application: None,
            application_number: None,
            feature: None,
            code: None,
        }
    }

    /// The same with an explanation.
    pub fn with_text(condition: Condition, text: &'static str) -> Self {
        Self { text: Some(text), ..Self::new(condition) }
    }

    /// The same with another type than the condition's default.
    pub fn of_type(self, kind: ErrorType) -> Self {
        Self { kind, ..self }
    }

    /// The same with an application-specific condition.
    pub fn with_application(self, name: &'static str, namespace: &'static str) -> Self {
        Self { application: Some((name, namespace)), ..self }
    }

    /// The same with a number inside of its application-specific condition.
    pub fn with_application_number(self, name: &'static str, number: u64) -> Self {
        Self { application_number: Some((name, number)), ..self }
    }

    /// The `<error/>` element as text, in the content namespace around it.
    pub fn to_xml(&self) -> String {
        let code = self.code.map(|code| format!(" code='{code}'")).unwrap_or_default();
        let mut xml = format!(
            "<error type='{}'{code}><{} xmlns='{}'/>",
            self.kind.as_str(),
            self.condition.as_str(),
            ns::STANZA_ERRORS
        );
        if let Some(text) = self.text {
            xml.push_str("<text xmlns='");
            xml.push_str(ns::STANZA_ERRORS);
            xml.push_str("'>");
            xml.push_str(text);
            xml.push_str("</text>");
        }
        if let Some((name, namespace)) = self.application {
            let feature = self.feature.map(|feature| format!(" feature='{feature}'")).unwrap_or_default();
            match self.application_number {
                Some((inner, number)) => {
                    xml.push_str(&format!("<{name} xmlns='{namespace}'><{inner}>{number}</{inner}></{name}>"))
                }
                None => xml.push_str(&format!("<{name} xmlns='{namespace}'{feature}/>")),
            }
        }
        xml.push_str("</error>");
        xml
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

/// A stream error: the stream ends with it (RFC 6120 §4.9.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream error {condition}{}", .text.as_ref().map(|t| format!(": {t}")).unwrap_or_default())]
pub struct StreamError {
    /// The defined condition, a local name in `urn:ietf:params:xml:ns:xmpp-streams`.
    pub condition: &'static str,
    /// An explanation for people, in English.
    pub text: Option<String>,
    /// Application-specific condition as XML, for example XEP-0198's `handled-count-too-high`.
    pub application: Option<String>,
}

impl StreamError {
    /// A defined condition of RFC 6120 §4.9.3.
    pub fn new(condition: &'static str) -> Self {
        Self { condition, text: None, application: None }
    }

    /// The same with an explanation.
    pub fn with_text(condition: &'static str, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::new(condition) }
    }

    /// The `<stream:error/>` element as text.
    pub fn to_xml(&self) -> String {
        let mut xml = format!("<stream:error><{} xmlns='{}'/>", self.condition, ns::STREAM_ERRORS);
        if let Some(text) = &self.text {
            xml.push_str(&format!("<text xmlns='{}' xml:lang='en'>", ns::STREAM_ERRORS));
            crate::xml::escape_into(&mut xml, text);
            xml.push_str("</text>");
        }
        if let Some(application) = &self.application {
            xml.push_str(application);
        }
        xml.push_str("</stream:error>");
        xml
    }
}
