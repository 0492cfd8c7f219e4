//! Metrics for Prometheus. Counters are fields that whoever counts adds to; everything else is read when somebody asks.
//! `docs/operations.md` lists them; no label holds an address, a JID or anything that a client chose.

mod collect;
mod counter;
mod exposition;
pub mod listener;
mod process;
mod requests;

pub use collect::collect;
pub use counter::{Counted, Counter, Gauge};
pub use exposition::Exposition;
pub use requests::Requests;

use xmpp::stanza::Kind;

/// What is counted while the server runs.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Stanzas that clients and components sent.
    pub received: ByStanza,
    /// Stanzas written to clients.
    pub sent: ByStanza,
    /// Sessions with a connection, by its transport.
    pub connected: ByTransport<Gauge>,
    /// Sessions that wait for their client to resume.
    pub hibernating: Gauge,
    /// Sessions begun.
    pub begun: Counter,
    /// Sessions resumed.
    pub resumed: Counter,
    /// Attempts to log in with a password.
    pub passwords: Logins,
    /// Attempts to log in with a token (XEP-0484).
    pub tokens: Logins,
    /// Messages stored for a recipient of whom no device was here.
    pub kept: Counter,
    /// Messages written from the mailbox to a device that came back.
    pub caught_up: Counter,
    /// HTTP requests.
    pub requests: Requests,
    /// What became of attempts to renew the certificate.
    pub renewals: Renewals,
}

/// One number for each kind of stanza.
#[derive(Debug, Default)]
pub struct ByStanza {
    /// `<message/>`
    pub message: Counter,
    /// `<presence/>`
    pub presence: Counter,
    /// `<iq/>`
    pub iq: Counter,
}

impl ByStanza {
    /// Counts a stanza.
    pub fn count(&self, kind: Kind) {
        match kind {
            Kind::Message(_) => self.message.add(1),
            Kind::Presence(_) => self.presence.add(1),
            Kind::Iq(_) => self.iq.add(1),
        }
    }

    /// Counts a serialised stanza.
    pub fn count_xml(&self, xml: &[u8]) {
        match xml.get(1) {
            Some(b'm') => self.message.add(1),
            Some(b'p') => self.presence.add(1),
            _ => self.iq.add(1),
        }
    }
}

/// What carries a client's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP without TLS.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7395).
    WebSocket,
    /// BOSH (XEP-0206).
    Bosh,
    /// Within this process.
    Memory,
}

/// One of something for each transport.
#[derive(Debug, Default)]
pub struct ByTransport<T>([T; 5]);

impl<T> ByTransport<T> {
    /// Every transport and its name as a label.
    const ALL: [(Transport, &'static str); 5] = [
        (Transport::Tcp, "tcp"),
        (Transport::Tls, "tls"),
        (Transport::WebSocket, "websocket"),
        (Transport::Bosh, "bosh"),
        (Transport::Memory, "memory"),
    ];

    /// That of one transport.
    pub fn of(&self, transport: Transport) -> &T {
        let [tcp, tls, websocket, bosh, memory] = &self.0;
        match transport {
            Transport::Tcp => tcp,
            Transport::Tls => tls,
            Transport::WebSocket => websocket,
            Transport::Bosh => bosh,
            Transport::Memory => memory,
        }
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, &T)> {
        Self::ALL.into_iter().map(|(transport, name)| (name, self.of(transport)))
    }
}

/// What became of attempts to log in.
#[derive(Debug, Default)]
pub struct Logins {
    /// They were who they said.
    pub accepted: Counter,
    /// The account or the secret was wrong.
    pub wrong: Counter,
    /// Too many had been wrong before.
    pub refused: Counter,
}

/// What became of attempts to renew the certificate.
#[derive(Debug, Default)]
pub struct Renewals {
    /// There is a new one.
    pub renewed: Counter,
    /// There is none yet.
    pub failed: Counter,
}
