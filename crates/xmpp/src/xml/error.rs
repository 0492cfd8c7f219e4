//! What can be wrong with the XML of a stream, and the stream error that says so (RFC 6120 §4.9.3).

/// Why a stream or element was refused. Fatal: after it a stream can only be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// A rule of XML 1.0 or of Namespaces in XML is broken, or text stands between stanzas (§4.9.3.13).
    #[error("XML is not well-formed")]
    NotWellFormed,
    /// A prefix is used that no declaration in scope gives a meaning (§4.9.3.2).
    #[error("undeclared namespace prefix")]
    BadNamespacePrefix,
    /// A comment, processing instruction, document type or foreign entity reference (§11.1, §4.9.3.18).
    #[error("XML feature that XMPP forbids")]
    RestrictedXml,
    /// Bytes that are not UTF-8, or a declared encoding other than it (§11.6, §4.9.3.22).
    #[error("not UTF-8")]
    UnsupportedEncoding,
    /// Correct so far, but beyond a bound of [`Limits`](super::Limits) (§4.9.3.14).
    #[error("beyond the bound on {0}")]
    PolicyViolation(Bound),
}

/// Which bound of [`Limits`](super::Limits) was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `stanza_bytes_max`.
    StanzaBytes,
    /// `depth_max`.
    Depth,
    /// `attributes_max`.
    Attributes,
    /// `declarations_max`.
    Declarations,
}

impl XmlError {
    /// The name of the stream error's condition element.
    pub const fn condition(self) -> &'static str {
        match self {
            Self::NotWellFormed => "not-well-formed",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::RestrictedXml => "restricted-xml",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::PolicyViolation(_) => "policy-violation",
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::StanzaBytes => "the size of a stanza",
            Self::Depth => "the depth of nesting",
            Self::Attributes => "the attributes of an element",
            Self::Declarations => "the namespace prefixes in scope",
        })
    }
}
