//! A BOSH client (XEP-0124, XEP-0206): each request an answer, with the numbers the test's to choose.

use anyhow::{Context, Result, ensure};
use reqwest::Client;

use super::{Proof, bind};
use crate::server::TestServer;
use crate::tls::http_client;

const HTTP_BIND: &str = "http://jabber.org/protocol/httpbind";
const XBOSH: &str = "urn:xmpp:xbosh";

/// A session.
#[derive(Clone, Debug)]
pub struct Bosh {
    client: Client,
    url: String,
    domain: String,
    /// Its id.
    pub sid: String,
    /// The number of the last request.
    pub rid: u64,
}

impl Bosh {
    /// A client that has asked for nothing.
    ///
    /// # Errors
    /// When the server has no HTTPS.
    pub fn new(server: &TestServer) -> Result<Self> {
        Self::at(&server.https_url("/bosh")?, server)
    }

    /// A client of an address with the server's certificate, such as a proxy's.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn at(url: &str, server: &TestServer) -> Result<Self> {
        Ok(Self {
            client: http_client(&server.ca())?,
            url: url.to_owned(),
            domain: server.domain().to_owned(),
            sid: String::new(),
            rid: 1_000,
        })
    }

    /// Begins a session; hands out the answer.
    ///
    /// # Errors
    /// When the server begins none.
    pub async fn begin(&mut self, attributes: &str) -> Result<String> {
        let version = "xml:lang='en' ver='1.11' xmpp:version='1.0'";
        let to = format!("to='{}' {version} {attributes}", self.domain);
        let answer = self.post(&body(self.rid, &to, "")).await?;
        let sid = answer.split_once("sid='").and_then(|(_, rest)| rest.split('\'').next());
        sid.with_context(|| answer.clone())?.clone_into(&mut self.sid);
        Ok(answer)
    }

    /// The next request, with content; hands out the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&mut self, content: &str) -> Result<String> {
        self.send_with("", content).await
    }

    /// The next request, with further attributes.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_with(&mut self, attributes: &str, content: &str) -> Result<String> {
        self.rid += 1;
        self.repeat(attributes, content).await
    }

    /// A request with the number of the last one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn repeat(&self, attributes: &str, content: &str) -> Result<String> {
        self.post(&body(self.rid, &format!("sid='{}' {attributes}", self.sid), content)).await
    }

    /// Any text to the server's address.
    ///
    /// # Errors
    /// When it is not answered with 200.
    pub async fn post(&self, text: &str) -> Result<String> {
        let request = self.client.post(&self.url).header("content-type", "text/xml; charset=utf-8");
        let answer = request.body(text.to_owned()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status == 200, "{status}: {text}");
        Ok(text)
    }

    /// Begins a session and logs in; binding or resuming comes next.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn authenticate(&mut self, localpart: &str, password: &str) -> Result<()> {
        let features = self.begin("wait='10' hold='1'").await?;
        ensure!(features.contains("SCRAM-SHA-256"), "{features}");
        let proof = Proof::new(localpart, password)?;
        let challenge = self.send(&proof.auth()).await?;
        let success = self.send(&proof.response(&challenge)?).await?;
        ensure!(success.contains("<success"), "{success}");
        let restart = format!("xmpp:restart='true' to='{}'", self.domain);
        let features = self.send_with(&restart, "").await?;
        ensure!(features.contains("<bind"), "{features}");
        Ok(())
    }

    /// Logs in and binds a resource.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn log_in(&mut self, localpart: &str, password: &str, resource: &str) -> Result<()> {
        self.authenticate(localpart, password).await?;
        let bound = self.send(&bind(resource)).await?;
        ensure!(bound.contains("</jid>"), "{bound}");
        Ok(())
    }

    /// Sends content, then asks on until an answer has `part` in it.
    ///
    /// # Errors
    /// When the session ends before.
    pub async fn until(&mut self, content: &str, part: &str) -> Result<String> {
        let mut answer = self.send(content).await?;
        while !answer.contains(part) {
            ensure!(!answer.contains("type='terminate'"), "{answer}");
            answer = self.send("").await?;
        }
        Ok(answer)
    }
}

fn body(rid: u64, attributes: &str, content: &str) -> String {
    format!("<body xmlns='{HTTP_BIND}' xmlns:xmpp='{XBOSH}' rid='{rid}' {attributes}>{content}</body>")
}
