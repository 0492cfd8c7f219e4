//! The set of every test here: a server, a neighbour who must not notice anything, and strangers of any kind.

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::raw::Raw;
use testkit::{Client, TestServer, TestServerBuilder};

const STREAMS: &str = "http://etherx.jabber.org/streams";
const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// A running server with a neighbour.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    /// Alice, online all the while.
    pub(crate) neighbour: Client,
}

impl Stage {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(TestServer::builder()).await
    }

    /// A server with other settings; `mallory` has an account too.
    pub(crate) async fn with(builder: TestServerBuilder) -> Result<Self> {
        let server = builder.start().await?;
        let neighbour = server.alice().await?;
        server.add_user("mallory", "mallory").await?;
        Ok(Self { server, neighbour })
    }

    /// A connection on which nothing was sent.
    pub(crate) async fn connection(&self) -> Result<Raw> {
        Raw::connect(self.server.address("c2s")?).await
    }

    /// A connection whose stream is open and who has not logged in.
    pub(crate) async fn stranger(&self) -> Result<Raw> {
        let mut raw = self.connection().await?;
        raw.open(self.server.domain()).await?;
        Ok(raw)
    }

    /// A connection of a user who has logged in and bound a resource.
    pub(crate) async fn mallory(&self) -> Result<Raw> {
        let mut raw = self.stranger().await?;
        raw.log_in(self.server.domain(), "mallory", "mallory").await?;
        raw.bind("raw").await?;
        Ok(raw)
    }

    /// Nobody else noticed: the neighbour gets an answer, and a newcomer is greeted.
    pub(crate) async fn goes_on(&mut self) -> Result<()> {
        self.neighbour.round_trip().await.context("the neighbour is not served any more")?;
        self.stranger().await.context("newcomers are not served any more")?;
        Ok(())
    }

    /// Memory that the server's process occupies, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let pid = self.server.pid().context("the server does not run")?;
        crate::cost::resident_bytes(pid)
    }
}

/// A stream from its header to its end, as one XML document: that it is one is half of the proof.
pub(crate) fn document(stream: &str) -> Result<Element> {
    let parsed: Result<Element, _> = stream.parse();
    let document = parsed.with_context(|| format!("the server's stream is no XML document: {}", brief(stream)))?;
    ensure!(document.is("stream", STREAMS), "not a stream: {}", brief(stream));
    Ok(document)
}

/// The two ends of a stream, for messages.
fn brief(stream: &str) -> String {
    const SHOWN: usize = 1_000;
    let length = stream.chars().count();
    if length <= 2 * SHOWN {
        return stream.to_owned();
    }
    let start: String = stream.chars().take(SHOWN).collect();
    let end: String = stream.chars().skip(length - SHOWN).collect();
    format!("{start} ... {end}")
}

/// The condition of the error that a stream ended with. It must be the last thing in the stream.
pub(crate) fn stream_error(stream: &str) -> Result<String> {
    let document = document(stream)?;
    let last = document.children().last().filter(|last| last.is("error", STREAMS));
    let error = last.with_context(|| format!("the stream ended without an error: {}", brief(stream)))?;
    condition(error)
}

/// The defined condition of a `<stream:error/>` (RFC 6120 §4.9.2).
pub(crate) fn condition(error: &Element) -> Result<String> {
    let defined = error.children().find(|child| child.ns() == STREAM_ERRORS && child.name() != "text");
    Ok(defined.context("a stream error without a defined condition")?.name().to_owned())
}

/// The condition with which a client's stream ended, from what it read last.
pub(crate) fn last_condition(read: &[Element]) -> Result<String> {
    let error = read.iter().find(|element| element.is("error", STREAMS));
    condition(error.with_context(|| format!("the stream ended without an error: {read:?}"))?)
}

/// Type and condition of the error in a stanza of type `error` (RFC 6120 §8.3.2).
pub(crate) fn stanza_error(stanza: &Element) -> Result<(String, String)> {
    let error = stanza.get_child("error", "jabber:client").context("a stanza without an error")?;
    let condition =
        error.children().find(|child| child.ns() == "urn:ietf:params:xml:ns:xmpp-stanzas" && child.name() != "text");
    let condition = condition.context("a stanza error without a defined condition")?;
    Ok((error.attr("type").unwrap_or_default().to_owned(), condition.name().to_owned()))
}
