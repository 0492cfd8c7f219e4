//! Logging in with SASL: SCRAM where it is offered, else PLAIN (RFC 6120 §6).

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use crate::client::Client;
use crate::pattern::show;
use crate::scram::{Hash, Scram, nonce};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

impl Client {
    /// Authenticates with the best mechanism offered and restarts the stream.
    ///
    /// # Errors
    /// When the server refuses; [`Client::try_authenticate`] hands the refusal out instead.
    pub async fn authenticate(&mut self) -> Result<()> {
        match self.try_authenticate().await? {
            None => Ok(()),
            Some(failure) => bail!("{} cannot log in: {}", self.jid, show(&failure)),
        }
    }

    /// As [`Client::authenticate`]; a `<failure/>` of the server is an answer here.
    ///
    /// # Errors
    /// When the exchange breaks or the server's signature is wrong.
    pub async fn try_authenticate(&mut self) -> Result<Option<Element>> {
        let offered = self
            .features()
            .get_child("mechanisms", SASL)
            .map(|mechanisms| mechanisms.children().map(Element::text).collect::<Vec<String>>());
        let offered = offered.with_context(|| format!("no mechanisms in {}", show(self.features())))?;
        let has = |name: &str| offered.iter().any(|mechanism| mechanism == name);
        let answer = if has("SCRAM-SHA-256") {
            self.scram(Hash::Sha256, "SCRAM-SHA-256").await?
        } else if has("SCRAM-SHA-1") {
            self.scram(Hash::Sha1, "SCRAM-SHA-1").await?
        } else if has("PLAIN") {
            self.plain().await?
        } else {
            bail!("no known mechanism among {offered:?}")
        };
        if answer.is("failure", SASL) {
            return Ok(Some(answer));
        }
        ensure!(answer.is("success", SASL), "no <success/> but {}", show(&answer));
        self.wire.restart();
        self.open_stream().await?;
        Ok(None)
    }

    async fn scram(&mut self, hash: Hash, mechanism: &str) -> Result<Element> {
        let scram = Scram::new(hash, &self.login.localpart, &self.login.password, &nonce()?);
        let first = BASE64.encode(scram.first());
        self.send(&format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>")).await?;
        let challenge = self.recv().await?;
        if !challenge.is("challenge", SASL) {
            return Ok(challenge);
        }
        let (last, signature) = scram.answer(&decoded(&challenge)?)?;
        self.send(&format!("<response xmlns='{SASL}'>{}</response>", BASE64.encode(last))).await?;
        let answer = self.recv().await?;
        if answer.is("success", SASL) {
            ensure!(decoded(&answer)? == signature, "the server does not know the password");
        }
        Ok(answer)
    }

    async fn plain(&mut self) -> Result<Element> {
        let message = BASE64.encode(format!("\0{}\0{}", self.login.localpart, self.login.password));
        self.send(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>")).await?;
        self.recv().await
    }
}

fn decoded(element: &Element) -> Result<String> {
    Ok(String::from_utf8(BASE64.decode(element.text())?)?)
}
