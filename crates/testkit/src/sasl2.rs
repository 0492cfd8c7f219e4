//! A client's device that logs in with SASL2 (XEP-0388), binds with Bind 2 (XEP-0386), and comes back with a token
//! (XEP-0484) in one flight (XEP-0509). Written apart from the server's code.

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use crate::client::{Client, Login, STREAMS};
use crate::pattern::show;
use crate::scram::{Hash, Scram, nonce};
use crate::sm::StreamManagement;

const SASL2: &str = "urn:xmpp:sasl:2";
const BIND2: &str = "urn:xmpp:bind:0";
const FAST: &str = "urn:xmpp:fast:0";
const SM: &str = "urn:xmpp:sm:3";

/// An installation of a client: what it keeps between its connections.
#[derive(Clone, Debug)]
pub struct Device {
    /// Where it connects and as whom.
    pub login: Login,
    /// Its id, a UUID of version 4.
    pub user_agent: String,
    /// The token it comes back with.
    pub token: Option<FastToken>,
}

/// A token and the mechanism it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastToken {
    /// The name of the mechanism.
    pub mechanism: String,
    /// The secret.
    pub token: String,
    /// When it expires, as the server wrote it.
    pub expiry: String,
}

/// A log-in that succeeded: the client, and what the server said of it.
pub struct Succeeded {
    /// Bound or resumed, when that was asked for.
    pub client: Client,
    /// The `<success/>`.
    pub success: Element,
}

impl Device {
    /// A device with a name of its own.
    #[must_use]
    pub fn new(login: Login, number: u8) -> Self {
        Self { login, user_agent: format!("d4565fa7-4d72-4749-b3d3-740edbf877{number:02x}"), token: None }
    }

    /// `<user-agent/>`
    #[must_use]
    pub fn agent(&self) -> String {
        format!("<user-agent id='{}'><software>Bird</software><device>phone</device></user-agent>", self.user_agent)
    }

    /// Logs in with the password and these further children of `<authenticate/>`; a token that is given is kept.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn log_in(&mut self, children: &str) -> Result<Succeeded> {
        let mut client = Client::open(self.login.clone()).await?;
        let answer = client.scram2(&format!("{}{children}", self.agent())).await?;
        self.succeeded(client, answer).await
    }

    /// Logs in with the password, binds with Bind 2, and asks for a token for `mechanism`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(&mut self, mechanism: &str) -> Result<Succeeded> {
        let wanted = format!("<request-token xmlns='{FAST}' mechanism='{mechanism}'/>");
        let succeeded = self.log_in(&format!("{}{wanted}", bind(""))).await?;
        self.token.as_mut().context("no token was given")?.mechanism = mechanism.to_owned();
        Ok(succeeded)
    }

    /// Connects and sends everything at once: the stream header, and the token with these further children. The first
    /// answer is the `<success/>` or `<failure/>`.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn fly(&self, fast: &str, children: &str) -> Result<(Client, Element)> {
        self.fly_after(&self.header(), fast, children).await
    }

    /// As [`Device::fly`], behind another stream header.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn fly_after(&self, header: &str, fast: &str, children: &str) -> Result<(Client, Element)> {
        let token = self.token.as_ref().context("the device has no token")?;
        let mut client = Client::dial(self.login.clone()).await?;
        let bound = match token.mechanism.as_str() {
            "HT-SHA-256-EXPR" => client.wire.exporter().context("no exporter without TLS")?.to_vec(),
            _ => Vec::new(),
        };
        let authenticate = self.authenticate(token, &bound, fast, children);
        client.send(&format!("{header}{authenticate}")).await?;
        client.stream_opened().await?;
        let answer = client.recv().await?;
        Ok((client, answer))
    }

    /// As [`Device::fly`], and the server must let it in.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn come_back(&mut self, fast: &str, children: &str) -> Result<Succeeded> {
        let (client, answer) = self.fly(fast, children).await?;
        self.succeeded(client, answer).await
    }

    /// The stream header, with `from` (XEP-0484 §4.1).
    #[must_use]
    pub fn header(&self) -> String {
        let Login { domain, localpart, .. } = &self.login;
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' \
             from='{localpart}@{domain}' to='{domain}' version='1.0'>"
        )
    }

    /// `<authenticate/>` with a token, bound to those bytes; `fast` are attributes of `<fast/>`.
    #[must_use]
    pub fn authenticate(&self, token: &FastToken, bound: &[u8], fast: &str, children: &str) -> String {
        let proof = proof(&token.token, "Initiator", bound);
        let initial = BASE64.encode([self.login.localpart.as_bytes(), b"\0", &proof].concat());
        let (agent, mechanism) = (self.agent(), &token.mechanism);
        format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{initial}</initial-response>{agent}\
             <fast xmlns='{FAST}' {fast}/>{children}</authenticate>"
        )
    }

    /// Takes what the server gave: the token, the JID, stream management, the features that follow.
    async fn succeeded(&mut self, mut client: Client, success: Element) -> Result<Succeeded> {
        ensure!(success.is("success", SASL2), "{} cannot log in: {}", client.jid(), show(&success));
        success.get_child("authorization-identifier", SASL2).context("no authorization-identifier")?;
        client.learn(&success);
        if let Some(given) = success.get_child("token", FAST) {
            let attribute = |name| given.attr(name).map(str::to_owned).context("a token without its attributes");
            let mechanism = self.token.as_ref().map(|token| token.mechanism.clone()).unwrap_or_default();
            self.token = Some(FastToken { mechanism, token: attribute("token")?, expiry: attribute("expiry")? });
        }
        if success.get_child("resumed", SM).is_none() {
            let features = client.recv().await?;
            ensure!(features.is("features", STREAMS), "no features but {}", show(&features));
        }
        Ok(Succeeded { client, success })
    }
}

impl Succeeded {
    /// The `<bound/>`.
    ///
    /// # Errors
    /// When there is none.
    pub fn bound(&self) -> Result<&Element> {
        self.success.get_child("bound", BIND2).with_context(|| format!("not bound: {}", show(&self.success)))
    }
}

impl Client {
    /// SCRAM-SHA-256 in SASL2, bound to the channel where there is TLS, with these further children of `<authenticate/>`: the `<success/>` or `<failure/>`.
    ///
    /// # Errors
    /// When the exchange breaks or the server's signature is wrong.
    pub async fn scram2(&mut self, children: &str) -> Result<Element> {
        let scram = Scram::new(Hash::Sha256, &self.login.localpart, &self.login.password, &nonce()?);
        let (scram, mechanism) = match self.wire.exporter() {
            Some(exporter) => (scram.bound_to(exporter), "SCRAM-SHA-256-PLUS"),
            None => (scram, "SCRAM-SHA-256"),
        };
        let first = BASE64.encode(scram.first());
        self.send(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\
             <initial-response>{first}</initial-response>{children}</authenticate>"
        ))
        .await?;
        let challenge = self.recv().await?;
        if !challenge.is("challenge", SASL2) {
            return Ok(challenge);
        }
        let server_first = String::from_utf8(BASE64.decode(challenge.text().trim())?)?;
        self.check_offer(&server_first)?;
        let (last, signature) = scram.answer(&server_first)?;
        self.send(&format!("<response xmlns='{SASL2}'>{}</response>", BASE64.encode(last))).await?;
        let answer = self.recv().await?;
        if answer.is("success", SASL2) {
            let said = answer.get_child("additional-data", SASL2).map(Element::text).unwrap_or_default();
            if said.trim() != BASE64.encode(signature) {
                bail!("the server does not know the password");
            }
        }
        Ok(answer)
    }

    /// Authenticates on an open stream with the password, or with a token for HT-SHA-256-NONE, and these further
    /// children of `<authenticate/>`. The server's answer stays to be received.
    ///
    /// # Errors
    /// When the exchange breaks.
    pub async fn authenticate_inline(&mut self, token: Option<&str>, children: &str) -> Result<()> {
        let answer = match token {
            None => self.scram2(children).await?,
            Some(token) => {
                let proof = proof(token, "Initiator", &[]);
                let initial = BASE64.encode([self.login.localpart.as_bytes(), b"\0", &proof].concat());
                self.send(&format!(
                    "<authenticate xmlns='{SASL2}' mechanism='HT-SHA-256-NONE'>\
                     <initial-response>{initial}</initial-response>{children}</authenticate>"
                ))
                .await?;
                self.recv().await?
            }
        };
        self.learn(&answer);
        self.inbox.push_front(answer);
        Ok(())
    }

    /// What a `<success/>` changes: the JID, and that stanzas are counted.
    fn learn(&mut self, success: &Element) {
        if let Some(identifier) = success.get_child("authorization-identifier", SASL2) {
            self.jid = identifier.text();
        }
        if let Some(enabled) = success.get_child("bound", BIND2).and_then(|bound| bound.get_child("enabled", SM)) {
            self.sm = StreamManagement::enabled(enabled);
        }
    }

    /// XEP-0474: the server signs the hash of what it offered in this profile.
    fn check_offer(&self, server_first: &str) -> Result<()> {
        let names = |parent: &str, ns: &str, name: fn(&Element) -> String| {
            let parent = self.features().get_child(parent, ns);
            let mut names: Vec<String> =
                parent.into_iter().flat_map(Element::children).map(name).filter(|name| !name.is_empty()).collect();
            names.sort_unstable();
            names.join("\u{1e}")
        };
        let of_mechanism = |child: &Element| if child.is("mechanism", SASL2) { child.text() } else { String::new() };
        let mut offer = names("authentication", SASL2, of_mechanism);
        let bindings = names("sasl-channel-binding", "urn:xmpp:sasl-cb:0", |kind| {
            kind.attr("type").unwrap_or_default().to_owned()
        });
        if !bindings.is_empty() {
            offer = format!("{offer}\u{1f}{bindings}");
        }
        let expected = BASE64.encode(digest::digest(&digest::SHA256, offer.as_bytes()));
        let said = server_first.split(',').find_map(|part| part.strip_prefix("h="));
        ensure!(said == Some(&expected), "the offer was changed on the way, or the server hashed another");
        Ok(())
    }

    /// How many times this client waited for an answer on the connection, or after TLS began on it.
    #[must_use]
    pub fn flights(&self) -> u32 {
        self.wire.flights()
    }

    /// Goes on counting as a session whose `<resumed/>` was received.
    pub fn resumes(&mut self, cut: &crate::Suspended) {
        self.sm = cut.stream_management();
    }
}

/// A `<bind/>` of Bind 2 with stream management, carbons, and these further children.
#[must_use]
pub fn bind(children: &str) -> String {
    format!(
        "<bind xmlns='{BIND2}'><tag>Bird</tag><enable xmlns='{SM}' resume='true'/>\
         <enable xmlns='urn:xmpp:carbons:2'/>{children}</bind>"
    )
}

/// The proof of a token (draft-schmaus-kitten-sasl-ht).
#[must_use]
pub fn proof(token: &str, role: &str, bound: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    hmac::sign(&key, &[role.as_bytes(), bound].concat()).as_ref().to_vec()
}
