//! Channel bindings: bytes that both ends of one TLS connection know, and a man in the middle does not.
//!
//! Types: `tls-exporter` (RFC 9266) and `tls-server-end-point` (RFC 5929 §4), named in XEP-0440's list.

use std::fmt;
use std::str::FromStr;

/// A channel-binding type, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelBindingType {
    /// 32 bytes exported from this connection's keys (RFC 9266).
    TlsExporter,
    /// The hash of the server's certificate (RFC 5929 §4).
    TlsServerEndPoint,
}

impl ChannelBindingType {
    /// All types, strongest first.
    pub const ALL: [Self; 2] = [Self::TlsExporter, Self::TlsServerEndPoint];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

impl FromStr for ChannelBindingType {
    type Err = ();

    /// Fails for types Whimbrel does not compute, `tls-unique` among them.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}

/// The channel bindings of one connection. The default, none, is right for a connection without TLS
/// and for one whose TLS ends elsewhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// The value of `tls-exporter`: 32 bytes.
    pub tls_exporter: Option<[u8; 32]>,
    /// The value of `tls-server-end-point`: as long as the certificate's hash.
    pub tls_server_end_point: Option<Vec<u8>>,
}

impl ChannelBindings {
    /// The bytes of one binding, if this connection has it.
    pub fn value(&self, kind: ChannelBindingType) -> Option<&[u8]> {
        match kind {
            ChannelBindingType::TlsExporter => self.tls_exporter.as_ref().map(|bytes| bytes.as_slice()),
            ChannelBindingType::TlsServerEndPoint => self.tls_server_end_point.as_deref(),
        }
    }

    /// The types this connection has, strongest first: what XEP-0440 advertises.
    pub fn types(&self) -> impl Iterator<Item = ChannelBindingType> {
        ChannelBindingType::ALL.into_iter().filter(|kind| self.value(*kind).is_some())
    }

    /// Whether nothing can be bound to.
    pub fn is_empty(&self) -> bool {
        self.types().next().is_none()
    }
}

impl fmt::Debug for ChannelBindings {
    /// Names the types only: an exported value is as secret as the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.types()).finish()
    }
}
