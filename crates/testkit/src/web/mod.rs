//! Browsers' ways to a server, for tests: WebSocket and BOSH as their standards have them, bytes and all.

mod bosh;
mod websocket;

pub use bosh::Bosh;
pub use websocket::{Heard, WebSocket, masked};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::scram::{Hash, Scram, nonce};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// A log-in in progress: SCRAM-SHA-256 in the elements of RFC 6120 §6.
struct Proof(Scram);

impl Proof {
    fn new(localpart: &str, password: &str) -> Result<Self> {
        Ok(Self(Scram::new(Hash::Sha256, localpart, password, &nonce()?)))
    }

    fn auth(&self) -> String {
        let first = BASE64.encode(self.0.first());
        format!("<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")
    }

    /// To a text with the server's `<challenge/>` in it.
    fn response(&self, text: &str) -> Result<String> {
        let challenge = text.split_once("<challenge").and_then(|(_, rest)| rest.split_once('>'));
        let challenge = challenge.and_then(|(_, rest)| rest.split('<').next()).with_context(|| text.to_owned())?;
        let (last, _) = self.0.answer(&crate::raw::decoded(challenge)?)?;
        Ok(format!("<response xmlns='{SASL}'>{}</response>", BASE64.encode(last)))
    }
}

fn bind(resource: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <resource>{resource}</resource></bind></iq>"
    )
}
